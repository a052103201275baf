# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import sizes

DOCUMENTATION = r"""
name: database_connections
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: How many connections MLflow may open to its database
description:
  - The tracking store, the model registry, and MLflow's own login where that is on, each keep a pool in each worker process, on each host.
  - What is not given here is taken from the variables of the host - C(mlflow_server_engine), C(mlflow_server_workers), and so on.
    What is not there either is as the role C(mlflow_server) has it by default.
  - Numbers may be given as text, as variables of the command line are.
positional: _input
options:
  _input:
    description: The hosts that serve from the database, each by its variables, or by its name where all else is given.
    type: list
    elements: raw
    required: true
  engine:
    description: The web server, as in the variable C(mlflow_server_engine).
    type: str
    choices: [uvicorn, gunicorn, both]
  workers:
    description: Worker processes on each host, without those of the second server. The role has no default that can be known from elsewhere.
    type: int
  threads:
    description: Threads of each worker of gunicorn.
    type: int
  pool_size:
    description: Connections that each worker keeps.
    type: int
  max_overflow:
    description: Connections that each worker may open besides.
    type: int
  fastapi_workers:
    description: Worker processes of the second server of O(engine=both).
    type: int
  login:
    description: The login application, as in the variable C(mlflow_server_login).
    type: str
"""

EXAMPLES = r"""
- name: Give PostgreSQL room for all hosts of MLflow, and 20 for others
  ansible.builtin.set_fact:
    postgres_max_connections: "{{ groups['mlflow_server'] | map('extract', hostvars) | mlops.mlflow.database_connections + 20 }}"

- name: Show what two hosts may open
  ansible.builtin.debug:
    msg: "{{ ['app1', 'app2'] | mlops.mlflow.database_connections(engine='gunicorn', workers=4, pool_size=10, max_overflow=10) }}"
"""

RETURN = r"""
_value:
  description: The number of connections.
  type: int
"""


def of_a_host(host: t.Any, given: dict[str, t.Any]) -> int:
    """Count the connections of one host."""

    def read(name: str, default: t.Any) -> t.Any:
        if given.get(name) is not None:
            return given[name]
        found = host.get(f"mlflow_server_{name}", default) if isinstance(host, Mapping) else default
        if found is None:
            raise AnsibleFilterError(f"The variable mlflow_server_{name} is set nowhere, and the connections to the database follow from it")
        return found

    engine = read("engine", "uvicorn")
    pool = sizes.pool(engine, read("threads", 8))
    connections = int(read("workers", None)) * (int(read("pool_size", pool["size"])) + int(read("max_overflow", pool["overflow"])))
    if engine == "both":
        connections += int(read("fastapi_workers", 1)) * sum(sizes.FASTAPI_POOL.values())
    return (sizes.ENGINES + bool(read("login", ""))) * connections


def database_connections(hosts: list[t.Any], engine: str | None = None, login: str | None = None, **numbers: int | str | None) -> int:
    """Count the connections of all hosts together."""
    return sum(of_a_host(host, {"engine": engine, "login": login, **numbers}) for host in hosts)


class FilterModule:
    """Numbers that follow from other numbers."""

    def filters(self) -> dict[str, object]:
        return {"database_connections": database_connections}
