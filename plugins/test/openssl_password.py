# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: openssl_password
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether OpenSSL hashes a password as it is
description:
  - C(openssl passwd) reads a line and cuts it after 255 bytes, so that longer passwords would be equal to their beginnings.
options:
  _input:
    description: The password.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse passwords that would be cut
  ansible.builtin.assert:
    that: users | rejectattr('password', 'mlops.mlflow.openssl_password') | length == 0
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

MAX_BYTES = 255


def openssl_password(password: object) -> bool:
    """Say whether all of it counts."""
    text = str(password)
    return 0 < len(text.encode()) <= MAX_BYTES and not set(text) & set("\r\n\0")


class TestModule:
    """Jinja tests for passwords that are hashed."""

    def tests(self) -> dict[str, object]:
        return {"openssl_password": openssl_password}
