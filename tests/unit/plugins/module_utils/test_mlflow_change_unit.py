"""How a module waits for the change that systemd runs, with a stand-in for systemd."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_change, _mlflow_change_unit


@pytest.fixture(name="unit")
def fixture_unit(tmp_path, monkeypatch):
    found = object.__new__(_mlflow_change_unit.Unit)
    found.folder, found.name = str(tmp_path), "mlflow-change.service"
    found._systemctl = lambda *words: None
    found._module = type("Module", (), {"run_command": None})
    monkeypatch.setattr(_mlflow_change_unit.time, "sleep", lambda seconds: None)
    return found


@pytest.mark.parametrize("closed", [True, False])
def test_a_change_is_over_when_its_process_has_ended(unit, monkeypatch, closed):
    """It says that it is closed, and then removes files that the next change has, too. One that is tried again does not end."""
    states = ["active", "deactivating", "inactive"]
    monkeypatch.setattr(_mlflow_change_unit._systemd, "properties", lambda *arguments: [{"ActiveState": states.pop(0)}])
    result, asked = {"change": "name", "closed": closed}, []
    # None before it has begun.
    monkeypatch.setattr(unit, "_result", lambda name: result if asked else asked.append(name))
    assert unit._wait("name") == result
    assert len(states) == (0 if closed else 3)


def test_a_result_is_that_of_the_change(unit, tmp_path):
    (tmp_path / _mlflow_change.RESULT).write_text(json.dumps({"change": "name", "closed": True}))
    assert [unit._result(name) for name in ("name", "other")] == [{"change": "name", "closed": True}, None]
