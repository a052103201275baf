# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_tuning
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Sizes of PostgreSQL for a machine
description:
  - Sizes as pgtune gives them for many small queries on SSD, of the share of the memory that PostgreSQL may use.
positional: _input
options:
  _input:
    description: The memory of the machine, in MB.
    type: int
    required: true
  cores:
    description: How many processors the machine has.
    type: int
    required: true
  percent:
    description: How much of the memory is for PostgreSQL.
    type: int
    required: true
  connections:
    description: The setting C(max_connections).
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what a quarter of the machine allows
  ansible.builtin.debug:
    msg: "{{ ansible_facts['memtotal_mb'] | mlops.mlflow.postgres_tuning(cores=4, percent=25, connections=100) }}"
"""

RETURN = r"""
_value:
  description: The settings by their names.
  type: dict
"""

# PostgreSQL plans for sorts and hashes of several parts of a query, each with its own work_mem.
PARTS_OF_A_QUERY = 3


def postgres_tuning(memory_mb: int | str, cores: int | str, percent: int | str, connections: int | str) -> dict[str, str | int]:
    """Numbers may be text, as variables of the command line are."""
    memory, processors = int(memory_mb) * int(percent) // 100, int(cores)
    buffers = max(memory // 4, 16)
    workers = max(processors, 8)
    parallel = min(max((processors + 1) // 2, 1), 4)
    work_mem_kb = max((memory - buffers) * 1024 // ((int(connections) + workers) * PARTS_OF_A_QUERY), 4096)
    return {
        "effective_cache_size": f"{max(memory * 3 // 4, 64)}MB",
        "maintenance_work_mem": f"{min(max(memory // 16, 16), 8192)}MB",
        "max_parallel_maintenance_workers": parallel,
        "max_parallel_workers": processors,
        "max_parallel_workers_per_gather": parallel,
        "max_worker_processes": workers,
        "shared_buffers": f"{buffers}MB",
        "work_mem": f"{work_mem_kb}kB",
    }


class FilterModule:
    """Numbers that follow from the machine."""

    def filters(self) -> dict[str, object]:
        return {"postgres_tuning": postgres_tuning}
