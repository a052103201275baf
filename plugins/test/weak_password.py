# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: weak_password
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a password is too short, or still the placeholder of an example
description:
  - True for a password of fewer than 8 characters, and for one that says C(CHANGE-ME) in any spelling.
options:
  _input:
    description: The password.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse weak passwords
  ansible.builtin.assert:
    that: users | selectattr('password', 'mlops.mlflow.weak_password') | length == 0
"""

RETURN = r"""
_value:
  description: Whether it is weak.
  type: bool
"""

MIN_CHARACTERS = 8
PLACEHOLDERS = ("changeme", "change-me", "change_me", "change me")


def weak_password(password: object) -> bool:
    """Say whether somebody has to choose another password."""
    text = str(password)
    return len(text) < MIN_CHARACTERS or any(word in text.lower() for word in PLACEHOLDERS)


class TestModule:
    """Jinja tests for passwords."""

    def tests(self) -> dict[str, object]:
        return {"weak_password": weak_password}
