# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import password_problem

DOCUMENTATION = r"""
name: mlflow_password
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether MLflow's own login takes a password
description:
  - At least 12 ASCII characters, and not the one that MLflow was shipped with. The module M(mlops.mlflow.mlflow_user) refuses others, too.
options:
  _input:
    description: The password.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse others
  ansible.builtin.assert:
    that: password is mlops.mlflow.mlflow_password
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""


def mlflow_password(password: object) -> bool:
    """Say whether MLflow takes it."""
    return password_problem(str(password)) == ""


class TestModule:
    """Jinja tests for passwords of MLflow."""

    def tests(self) -> dict[str, object]:
        return {"mlflow_password": mlflow_password}
