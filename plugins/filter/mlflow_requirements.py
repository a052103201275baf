# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import addons

DOCUMENTATION = r"""
name: mlflow_requirements
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: The packages of an MLflow server without a lock
description:
  - What a resolver is to find versions for.
positional: _input, addons
options:
  _input:
    description: The version of MLflow.
    type: str
    required: true
  addons:
    description: Names of locks besides the server's own.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what uv resolves
  ansible.builtin.debug:
    msg: "{{ '3.16.0' | mlops.mlflow.mlflow_requirements(['mysql']) }}"
"""

RETURN = r"""
_value:
  description: Requirements, one on each line.
  type: str
"""


class FilterModule:
    """What a server needs."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_requirements": addons.requirements}
