# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {
                "checks": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "that": {"type": "raw"},
                        "none": {"type": "str"},
                        "when": {"type": "raw", "default": True},
                        "message": {"type": "str", "required": True},
                    },
                    "required_one_of": [("that", "none")],
                    "mutually_exclusive": [("that", "none")],
                }
            }
        )
        # In the order of the list, and each of them once: several hosts or parts may have the same fault.
        problems = list(dict.fromkeys(problem for check in arguments["checks"] for problem in self.problems(check)))
        if problems:
            result |= {"failed": True, "msg": " ".join(problems), "problems": problems}
        return result | {"changed": False}

    def problems(self, check: dict[str, t.Any]) -> t.Iterator[str]:
        if not self._templar.evaluate_conditional(check["when"]):
            return
        if check["that"] is not None:
            if not self._templar.evaluate_conditional(check["that"]):
                yield check["message"]
            return
        found = self._templar.evaluate_expression(check["none"])
        if not isinstance(found, (list, tuple)):
            raise AnsibleActionFail(f"none must be an expression that gives a list, which {check['none']} does not")
        if found:
            yield check["message"].replace("%s", ", ".join(map(str, found)))
