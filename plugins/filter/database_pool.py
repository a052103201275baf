# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import sizes

DOCUMENTATION = r"""
name: database_pool
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: How many database connections a worker of MLflow should have
description:
  - A request may take two connections at once. With fewer than these, requests of a busy worker wait for each other until they fail.
positional: _input, threads
options:
  _input:
    description: The web server of the worker. V(both) has its workers in gunicorn, but for the one of FastAPI.
    type: str
    choices: [uvicorn, gunicorn, both]
    required: true
  threads:
    description: Threads of a gunicorn worker.
    type: int
    default: 8
"""

EXAMPLES = r"""
- name: Show the pool of a worker with 16 threads
  ansible.builtin.debug:
    msg: "{{ 'gunicorn' | mlops.mlflow.database_pool(16) }}"
"""

RETURN = r"""
_value:
  description: C(size) is what the worker keeps, C(overflow) what it may open besides, for each of its two engines.
  type: dict
  sample: {size: 18, overflow: 18}
"""


class FilterModule:
    """Numbers that follow from other numbers."""

    def filters(self) -> dict[str, object]:
        return {"database_pool": sizes.pool}
