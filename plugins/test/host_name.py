# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: host_name
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a text is a bare host name in lower case
description:
  - A name as it stands in a certificate or a C(Host) header, without a scheme, port or path. Labels may hold underscores, as names of machines do.
options:
  _input:
    description: The name.
    type: str
    required: true
  wildcard:
    description: Whether the first label may be C(*).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Refuse what is no name
  ansible.builtin.assert:
    that: names | reject('mlops.mlflow.host_name', wildcard=true) | length == 0
"""

RETURN = r"""
_value:
  description: Whether it is one.
  type: bool
"""

LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(?:[.]{LABEL})*")
MAX_CHARACTERS = 253


def host_name(name: object, wildcard: bool = False) -> bool:
    """Say whether it is a host name."""
    text = str(name)
    if wildcard:
        text = text.removeprefix("*.")
    return len(text) <= MAX_CHARACTERS and bool(NAME.fullmatch(text))


class TestModule:
    """Jinja tests for names."""

    def tests(self) -> dict[str, object]:
        return {"host_name": host_name}
