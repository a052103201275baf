# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.mlflow_service_due import mlflow_service_due

RUNS = {"active": True, "outdated": False, "enabled": True}


@pytest.mark.parametrize(
    ("first", "second", "kept", "due"),
    [
        ({}, {"enabled": False}, "file", False),
        ({"active": False}, {}, "file", True),
        ({"outdated": True}, {}, "file", True),
        ({"enabled": False}, {}, "file", True),
        ({}, {"active": False}, "file", True),
        ({}, {"outdated": True}, "file", True),
        ({}, {}, "absent", True),
    ],
)
def test_what_does_not_run_as_it_is_written_is_due(first, second, kept, due):
    host = {"services": {"a": {**RUNS, **first}, "b": {**RUNS, **second}, "other": {**RUNS, "active": False}}, "paths": {"/kept": kept}}
    assert mlflow_service_due(host, ["a", "b"], "/kept") is due
