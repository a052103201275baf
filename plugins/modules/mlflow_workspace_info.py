#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_workspace_info
short_description: List workspaces of an MLflow tracking server
version_added: 1.0.0
description:
  - Lists the workspaces of a server that runs with C(--enable-workspaces), which MLflow has since version 3.10. Changes nothing.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
attributes:
  diff_mode:
    support: N/A
options:
  name:
    description: Name of the only workspace to list. Without it all are listed that the login may see.
    type: str
seealso:
  - module: mlops.mlflow.mlflow_workspace
"""

EXAMPLES = r"""
- name: List all workspaces
  mlops.mlflow.mlflow_workspace_info:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
  register: mlflow
"""

RETURN = r"""
workspaces:
  description: The workspaces, ordered by name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the workspace.
      type: str
    description:
      description: What it is for.
      type: str
    default_artifact_root:
      description: Where new experiments keep their artifacts. Empty where the server decides.
      type: str
    trace_archival_location:
      description: Where old traces are archived. Empty where the server decides.
      type: str
    trace_archival_retention:
      description: How long traces are kept before. Empty where the server decides.
      type: str
  sample:
    - name: team-a
      description: Fraud detection
      default_artifact_root: s3://mlflow-team-a
      trace_archival_location: ""
      trace_archival_retention: ""
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import list_workspaces


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = run(module, list_workspaces)
    module.exit_json(changed=False, workspaces=found)


if __name__ == "__main__":
    main()
