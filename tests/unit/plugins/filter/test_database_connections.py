# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.database_connections import database_connections


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
