#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_role_info
short_description: List roles of an MLflow tracking server
version_added: 1.0.0
description:
  - Lists the roles of MLflow's own login application, C(mlflow server --app-name basic-auth), version 3.12 or newer. Changes nothing.
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
    description: Name of the only roles to list. Without it all are listed.
    type: str
  workspace:
    description: The only workspace whose roles to list. Without it those of all are listed.
    type: str
seealso:
  - module: mlops.mlflow.mlflow_permission_info
  - module: mlops.mlflow.mlflow_role
"""

EXAMPLES = r"""
- name: List the roles of a workspace
  mlops.mlflow.mlflow_role_info:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    workspace: team-a
"""

RETURN = r"""
roles:
  description: The roles, ordered by workspace and name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the role.
      type: str
    workspace:
      description: The workspace that it is for.
      type: str
    description:
      description: What it is for.
      type: str
    users:
      description: Names of the users that have it.
      type: list
      elements: str
  sample:
    - name: trainers
      workspace: default
      description: Train models
      users: [alice, bob]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import list_roles


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str"},
            "workspace": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = run(module, list_roles)
    module.exit_json(changed=False, roles=found)


if __name__ == "__main__":
    main()
