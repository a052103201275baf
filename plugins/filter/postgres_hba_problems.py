# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: postgres_hba_problems
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What is wrong with client rules of PostgreSQL
description:
  - A rule needs a database and a user (several with commas, names with blanks in double quotes), and an address without blanks (several with commas).
    Only rules of type C(local) have no address.
  - A rule that would carry a login over the network without TLS is a problem, too.
options:
  _input:
    description: The rules, each with C(type), C(database), C(user), C(address), C(method) and C(options).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the rules
  mlops.mlflow.assert_all:
    checks:
      - none: postgres_hba | mlops.mlflow.postgres_hba_problems
        message: Correct postgres_hba, where %s.
"""

RETURN = r"""
_value:
  description: For each rule that is wrong a text that repeats it and says why.
  type: list
  elements: str
"""

NAMES = re.compile(r'([^ \t\r\n",#]+|"[^"\n]+")(,([^ \t\r\n",#]+|"[^"\n]+"))*')
ADDRESSES = re.compile(r"[A-Za-z0-9_.:/-]+(,[A-Za-z0-9_.:/-]+)*")
OWN_MACHINE = re.compile(r"127[.][^,]*|::1(/128)?|localhost|samehost")


def postgres_hba_problems(rules: list[dict]) -> list[str]:
    """One text for each wrong rule."""
    return [f"`{' '.join(str(value) for value in rule.values() if value)}` {problem}" for rule in rules if (problem := problem_of(rule))]


def problem_of(rule: dict) -> str | None:
    address = str(rule["address"])
    if not NAMES.fullmatch(str(rule["database"])) or not NAMES.fullmatch(str(rule["user"])):
        return "needs a database and a user, several with commas, names with blanks in double quotes"
    if rule["type"] == "local":
        return "is of the type local, which has no address" if address else None
    if not ADDRESSES.fullmatch(address):
        return "needs an address without blanks, such as 10.0.0.5 or 10.0.0.0/24 or samenet, several with commas"
    if re.search(r"[\n\r]", str(rule["options"])):
        return "has a line break in its options"
    if rule["type"] in ("host", "hostnossl") and rule["method"] != "reject" and not OWN_MACHINE.fullmatch(address):
        return f"lets {address} in without TLS; set the type hostssl (the default), for host is for this machine's own addresses"
    return None


class FilterModule:
    """Rules about rules."""

    def filters(self) -> dict[str, object]:
        return {"postgres_hba_problems": postgres_hba_problems}
