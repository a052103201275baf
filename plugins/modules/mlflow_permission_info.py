#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_permission_info
short_description: List what a user or a role of an MLflow tracking server may do
version_added: 1.0.0
description:
  - Lists the permissions of one user or one role of MLflow's own login application, C(mlflow server --app-name basic-auth). Changes nothing.
  - What M(mlops.mlflow.mlflow_permission) knows of versions counts here as well.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
attributes:
  diff_mode:
    support: N/A
options:
  user:
    description: Name of the user. What it may do by its roles is told of these.
    type: str
  role:
    description: Name of the role.
    type: str
  workspace:
    description: The workspace of the resources, and of O(role). V(default) is also the only one of a server without workspaces.
    type: str
    default: default
seealso:
  - module: mlops.mlflow.mlflow_permission
"""

EXAMPLES = r"""
- name: See what somebody may do
  mlops.mlflow.mlflow_permission_info:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    user: alice
"""

RETURN = r"""
permissions:
  description: The permissions, ordered by kind and name of the resource, as M(mlops.mlflow.mlflow_permission) takes them.
  returned: success
  type: list
  elements: dict
  contains:
    type:
      description: Kind of the resource.
      type: str
    name:
      description: Name of the resource, its id where it is no more, or V(*) for all of that kind.
      type: str
    experiment:
      description: Name of the experiment that a scorer belongs to.
      returned: for scorers
      type: str
    permission:
      description: What is allowed.
      type: str
  sample:
    - {type: experiment, name: churn, permission: EDIT}
    - {type: registered_model, name: churn, permission: READ}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_grants import list_permissions


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "user": {"type": "str"},
            "role": {"type": "str"},
            "workspace": {"type": "str", "default": "default"},
        },
        mutually_exclusive=[("user", "role")],
        required_one_of=[("user", "role")],
        supports_check_mode=True,
    )
    found = run(module, list_permissions)
    module.exit_json(changed=False, permissions=found)


if __name__ == "__main__":
    main()
