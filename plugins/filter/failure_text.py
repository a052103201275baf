# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: failure_text
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What a failed task says
description:
  - The result of a loop has a message of its own, which says nothing. What counts is the first of its items that failed.
options:
  _input:
    description: The result of the task, with or without a loop.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop here
  ansible.builtin.fail:
    msg: "{{ ansible_failed_result | mlops.mlflow.failure_text }}"
"""

RETURN = r"""
_value:
  description: The message and the errors of the task, or of the first item of its loop that failed. Empty when nothing failed.
  type: str
"""


def failure_text(result: dict[str, t.Any]) -> str:
    """The result of a loop has a message of its own, which says nothing."""
    failed: dict[str, t.Any] = next((part for part in result.get("results") or [result] if part.get("failed")), {})
    return " ".join(str(failed[name]) for name in ("msg", "stderr") if failed.get(name))


class FilterModule:
    """What went wrong."""

    def filters(self) -> dict[str, object]:
        return {"failure_text": failure_text}
