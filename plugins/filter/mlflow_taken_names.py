# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import environment

DOCUMENTATION = r"""
name: mlflow_taken_names
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Environment variables of MLflow that the role mlflow_server sets from a variable of its own
description:
  - The same in two places would hide which of them counts.
positional: _input, s3, oidc, azure, gcs
options:
  _input:
    description: Names of environment variables, or a dictionary by them.
    type: raw
    required: true
  s3:
    description: Whether artifacts are in S3, so that the role sets what leads there.
    type: bool
    required: true
  oidc:
    description: Whether the server has single sign-on, for which the role sets more.
    type: bool
    default: false
  azure:
    description: Whether the server has a key for Azure Blob.
    type: bool
    default: false
  gcs:
    description: Whether the server has a key for Google Cloud Storage.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check the environment
  mlops.mlflow.assert_all:
    checks:
      - none: mlflow_server_environment | mlops.mlflow.mlflow_taken_names(s3=true)
        message: mlflow_server_environment may not hold %s.
"""

RETURN = r"""
_value:
  description: For each such name a text that says which variable to set.
  type: list
  elements: str
  sample: [MLFLOW_PORT (set mlflow_server_port)]
"""


class FilterModule:
    """What is wrong with an environment."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_taken_names": environment.taken_names}
