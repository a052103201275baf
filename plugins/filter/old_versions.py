# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

DOCUMENTATION = r"""
name: old_versions
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Which installations of MLflow are no longer wanted
description:
  - Of folders that are named by versions, those beyond the newest ones, by the time of their last change.
positional: _input
options:
  _input:
    description: The folders, as M(ansible.builtin.find) returns them.
    type: list
    elements: dict
    required: true
  keep:
    description: How many are kept, at least 1.
    type: int
    required: true
  needed:
    description: Versions that stay whatever their age. They count among the kept ones.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Find what can go
  ansible.builtin.debug:
    msg: "{{ found.files | mlops.mlflow.old_versions(keep=3, needed=['3.17.2']) }}"
"""

RETURN = r"""
_value:
  description: The versions that can go, the newest first.
  type: list
  elements: str
"""


def old_versions(folders: list[dict[str, t.Any]], keep: int, needed: t.Sequence[str] = ()) -> list[str]:
    """Never one that is needed."""
    newest_first = [os.path.basename(folder["path"]) for folder in sorted(folders, key=lambda folder: folder["mtime"], reverse=True)]
    others = [name for name in newest_first if name not in needed]
    room = max(0, int(keep) - (len(newest_first) - len(others)))
    return others[room:]


class FilterModule:
    """What is left of earlier upgrades."""

    def filters(self) -> dict[str, object]:
        return {"old_versions": old_versions}
