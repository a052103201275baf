# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.text.formatters import human_to_bytes

DOCUMENTATION = r"""
name: byte_size
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a value is a size, as the modules of this collection take it
description:
  - A number of bytes, or a size like V(100G) or V(1.5 GB).
options:
  _input:
    description: The size.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse other sizes
  ansible.builtin.assert:
    that: quota is mlops.mlflow.byte_size
"""

RETURN = r"""
_value:
  description: Whether it is one.
  type: bool
"""


def byte_size(size: object) -> bool:
    """Say whether it is a number of bytes."""
    try:
        human_to_bytes(str(size))
    except ValueError:
        return False
    return True


class TestModule:
    """Jinja tests for sizes."""

    def tests(self) -> dict[str, object]:
        return {"byte_size": byte_size}
