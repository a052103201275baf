# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: nginx_size
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a text is a size as nginx reads it
description:
  - A number of bytes, or one with C(k), C(m) or C(g), such as V(64m).
options:
  _input:
    description: The size.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse other sizes
  ansible.builtin.assert:
    that: limit is mlops.mlflow.nginx_size
"""

RETURN = r"""
_value:
  description: Whether it is one.
  type: bool
"""


def nginx_size(size: object) -> bool:
    """Say whether nginx reads it."""
    return bool(re.fullmatch("[0-9]+[kKmMgG]?", str(size)))


class TestModule:
    """Jinja tests for sizes."""

    def tests(self) -> dict[str, object]:
        return {"nginx_size": nginx_size}
