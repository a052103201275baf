#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_role
short_description: Manage roles of an MLflow tracking server
version_added: 1.0.0
description:
  - Creates, changes and removes roles of MLflow's own login application, C(mlflow server --app-name basic-auth), and gives them to users.
    MLflow has roles since version 3.12.
  - What a role may do is set by M(mlops.mlflow.mlflow_permission).
  - An option that is not given is not touched.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
options:
  name:
    description: Name of the role.
    type: str
    required: true
  workspace:
    description: The workspace that the role is for. V(default) is also the only one of a server without workspaces.
    type: str
    default: default
  description:
    description: What the role is for.
    type: str
  users:
    description: Names of users that have the role.
    type: list
    elements: str
  exclusive:
    description: Whether to take the role from all users that O(users) does not name.
    type: bool
    default: false
  state:
    description: Whether the role exists. Who has it loses what it allows when it is removed.
    type: str
    choices: [present, absent]
    default: present
notes:
  - MLflow 3.13 and newer make the roles C(admin) and C(user) with each new workspace, unless C(MLFLOW_RBAC_SEED_DEFAULT_ROLES) is false.
seealso:
  - module: mlops.mlflow.mlflow_permission
  - module: mlops.mlflow.mlflow_role_info
  - module: mlops.mlflow.mlflow_user
"""

EXAMPLES = r"""
- name: Make a role for those who train models
  mlops.mlflow.mlflow_role:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    name: trainers
    description: Train models
    users: [alice, bob]

- name: Let these, and nobody else, work in a workspace
  mlops.mlflow.mlflow_role:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    name: user
    workspace: team-a
    users: [alice]
    exclusive: true
"""

RETURN = r"""
role:
  description: The role as it is now, or would be in check mode. Empty when it does not exist.
  returned: success
  type: dict
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
      description: Names of the users that have it, if O(users) was given.
      type: list
      elements: str
  sample:
    name: trainers
    workspace: default
    description: Train models
    users: [alice, bob]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import ensure_role


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str", "required": True},
            "workspace": {"type": "str", "default": "default"},
            "description": {"type": "str"},
            "users": {"type": "list", "elements": "str"},
            "exclusive": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    before, after = run(module, ensure_role, check_mode=module.check_mode)
    module.exit_json(changed=before != after, role=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
