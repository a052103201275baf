# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.sizes import ENGINES, FASTAPI_POOL

DOCUMENTATION = r"""
name: database_connections
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: How many connections MLflow may open to its database
description:
  - The tracking store and the model registry each keep a pool in each worker process, on each host.
  - Numbers may be given as text, as variables of the command line are.
positional: _input
options:
  _input:
    description: The hosts that serve from the database.
    type: list
    elements: str
    required: true
  engine:
    description: The web server, as in the variable C(mlflow_server_engine).
    type: str
    choices: [uvicorn, gunicorn, both]
    required: true
  workers:
    description: Worker processes on each host, without those of the second server.
    type: int
    required: true
  pool_size:
    description: Connections that each worker keeps.
    type: int
    required: true
  max_overflow:
    description: Connections that each worker may open besides.
    type: int
    required: true
  fastapi_workers:
    description: Worker processes of the second server of O(engine=both).
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Give PostgreSQL room for two hosts of MLflow, and 20 for others
  ansible.builtin.set_fact:
    postgres_max_connections: >-
      {{ ['app1', 'app2'] | mlops.mlflow.database_connections('gunicorn', workers=4, pool_size=10, max_overflow=10) + 20 }}
"""

RETURN = r"""
_value:
  description: The number of connections.
  type: int
"""


def database_connections(
    hosts: list[str], engine: str, workers: int | str, pool_size: int | str, max_overflow: int | str, fastapi_workers: int | str = 1
) -> int:
    """Count the connections of all hosts together."""
    of_a_host = int(workers) * (int(pool_size) + int(max_overflow))
    if engine == "both":
        of_a_host += int(fastapi_workers) * sum(FASTAPI_POOL.values())
    return len(hosts) * ENGINES * of_a_host


class FilterModule:
    """Numbers that follow from other numbers."""

    def filters(self) -> dict[str, object]:
        return {"database_connections": database_connections}
