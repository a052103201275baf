# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

DOCUMENTATION = r"""
name: google_key
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a text is a file of credentials for Google's libraries
description:
  - True for a JSON object with a C(type), which for C(service_account) has C(client_email) and C(private_key), too.
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse half a key
  ansible.builtin.assert:
    that: vault_google_key is mlops.mlflow.google_key
"""

RETURN = r"""
_value:
  description: Whether it is one.
  type: bool
"""

NEEDED = {"service_account": ("client_email", "private_key", "token_uri")}


def google_key(text: object) -> bool:
    """Whether Google's libraries would read it."""
    try:
        key = json.loads(str(text))
    except ValueError:
        return False
    return isinstance(key, dict) and bool(key.get("type")) and all(key.get(name) for name in NEEDED.get(key["type"], ()))


class TestModule:
    """Jinja tests for keys of Google."""

    def tests(self) -> dict[str, object]:
        return {"google_key": google_key}
