# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import environment

DOCUMENTATION = r"""
name: mlflow_allowed_hosts
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What MLflow must allow to be called by the given names
description:
  - MLflow compares the whole C(Host) header, so that each name is allowed with and without a port, and so is the machine itself.
options:
  _input:
    description: The names, with C(*) for any text. None of them leave the rule to MLflow.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the value of MLFLOW_SERVER_ALLOWED_HOSTS
  ansible.builtin.debug:
    msg: "{{ ['mlflow.example.org'] | mlops.mlflow.mlflow_allowed_hosts | join(',') }}"
"""

RETURN = r"""
_value:
  description: The patterns.
  type: list
  elements: str
"""


class FilterModule:
    """What MLflow compares with."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_allowed_hosts": environment.allowed_hosts}
