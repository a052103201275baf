# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re

DOCUMENTATION = r"""
name: locked_versions
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: The versions of MLflow that a folder has locks for
description:
  - A version is locked by a folder of its name with the file C(server.txt).
options:
  _input:
    description: The folder, on the controller.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show the versions
  ansible.builtin.debug:
    msg: "{{ (role_path ~ '/files/locks') | mlops.mlflow.locked_versions }}"
"""

RETURN = r"""
_value:
  description: The versions, the oldest first.
  type: list
  elements: str
"""


def locked_versions(folder: str) -> list[str]:
    """The names of its folders that hold a lock."""
    names = [name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, "server.txt"))]
    return sorted(names, key=lambda name: [int(number) for number in re.findall("[0-9]+", name)])


class FilterModule:
    """What the collection can install."""

    def filters(self) -> dict[str, object]:
        return {"locked_versions": locked_versions}
