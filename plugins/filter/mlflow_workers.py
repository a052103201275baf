# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import sizes

DOCUMENTATION = r"""
name: mlflow_workers
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: How many workers of MLflow fit a machine
description:
  - One for each CPU, as far as memory goes, and 2 to 4.
options:
  _input:
    description: The facts of the machine, of which C(processor_vcpus) and C(memtotal_mb) count.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what fits
  ansible.builtin.debug:
    msg: "{{ ansible_facts | mlops.mlflow.mlflow_workers }}"
"""

RETURN = r"""
_value:
  description: The number of worker processes.
  type: int
"""


class FilterModule:
    """Numbers that follow from other numbers."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_workers": sizes.workers}
