# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.mlflow.plugins.action.assert_all import ActionModule


def ask(*checks, **variables):
    """What the task says of the checks, whose expressions are trusted as those of a playbook are."""
    loader = DataLoader()
    task = Task()
    task.args = {"checks": [{name: trust_as_template(value) if isinstance(value, str) else value for name, value in check.items()} for check in checks]}
    no_connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=""))
    action = ActionModule(task, no_connection, None, loader, Templar(loader=loader, variables=variables), None)
    return action.run(task_vars=variables)


def test_nothing_is_said_of_what_holds():
    answer = ask({"that": "port > 0", "message": "port"}, {"none": "names | reject('eq', 'a')", "message": "%s"}, port=1, names=["a"])
    assert (answer.get("failed"), answer["changed"]) == (None, False)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_checks():
    answer = ask(
        {"none": "names | reject('eq', 'a')", "message": "Not %s, but a."},
        {"that": "port > 0", "message": "Set port."},
        {"that": "false", "message": "Set port."},
        {"that": True, "message": "never"},
        port=0,
        names=["a", "b", 3],
    )
    assert answer["failed"]
    assert answer["problems"] == ["Not b, 3, but a.", "Set port."]
    assert answer["msg"] == "Not b, 3, but a. Set port."


def test_what_a_check_guards_is_not_computed_where_it_does_not_count():
    assert not ask({"that": "missing.name == 1", "when": "missing is defined", "message": "x"}).get("failed")
    with pytest.raises(AnsibleError):
        ask({"that": "missing.name == 1", "message": "x"})


@pytest.mark.parametrize(
    "check",
    [{"message": "x"}, {"that": True, "none": "[]", "message": "x"}, {"that": True}, {"none": "1", "message": "x"}, {"that": "1", "message": "x"}],
)
def test_a_check_that_says_nothing_clear_is_refused(check):
    with pytest.raises(AnsibleError):
        ask(check)
