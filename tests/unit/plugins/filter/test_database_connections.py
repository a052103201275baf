# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.filter.database_connections import database_connections
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import sizes
from jinja2.nativetypes import NativeEnvironment


@pytest.mark.parametrize(
    ("hosts", "engine", "numbers", "expected"),
    [
        (["a"], "gunicorn", {"workers": 2, "pool_size": 10, "max_overflow": 10}, 80),
        (["a"], "uvicorn", {"workers": "3", "pool_size": "20", "max_overflow": "25", "fastapi_workers": "7"}, 270),
        (["a", "b"], "both", {"workers": "2", "pool_size": 10, "max_overflow": 10, "fastapi_workers": "2"}, 520),
        ([], "both", {"workers": 2, "pool_size": 10, "max_overflow": 10}, 0),
    ],
)
def test_connections_of_all_hosts(hosts, engine, numbers, expected):
    assert database_connections(hosts, engine, **numbers) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"workers": 2}, 2 * 2 * 45),
        ({"workers": "2", "engine": "gunicorn"}, 2 * 2 * 20),
        ({"workers": 2, "engine": "gunicorn", "threads": "20", "max_overflow": 3}, 2 * 2 * (22 + 3)),
        ({"workers": 2, "engine": "both", "fastapi_workers": 3}, 2 * (2 * 20 + 3 * 45)),
        ({"workers": 2, "login": "basic-auth"}, 3 * 2 * 45),
    ],
)
def test_connections_by_the_variables_of_each_host(variables, expected):
    host = {f"mlflow_server_{name}": value for name, value in variables.items()}
    other = {**host, "mlflow_server_pool_size": 1, "mlflow_server_max_overflow": 1, "mlflow_server_engine": "gunicorn", "mlflow_server_workers": 1}
    engines = 3 if "login" in variables else 2
    assert database_connections([host, other]) == expected + engines * 2


def test_a_host_must_say_how_many_workers_it_has():
    with pytest.raises(AnsibleFilterError, match="mlflow_server_workers is set nowhere"):
        database_connections([{"mlflow_server_engine": "both"}])


@pytest.mark.parametrize("engine", ["uvicorn", "gunicorn", "both"])
def test_defaults_of_the_role(engine):
    """What a host opens by the role's defaults, and what the inventory is told without them, are one number."""
    source = (Path(__file__).parents[4] / "roles/mlflow_server/defaults/main.yml").read_text()
    defaults = {**yaml.safe_load(source), "mlflow_server_engine": engine, "mlflow_server_workers": 3}
    names = ("pool_size", "max_overflow", "threads", "fastapi_workers")
    environment = NativeEnvironment()
    environment.filters["mlops.mlflow.database_pool"] = sizes.pool
    numbers = {name: environment.from_string(str(defaults[f"mlflow_server_{name}"])).render(defaults) for name in names}
    told = {"mlflow_server_engine": engine, "mlflow_server_workers": 3}
    assert database_connections([told]) == database_connections(["a"], engine, workers=3, **numbers)
