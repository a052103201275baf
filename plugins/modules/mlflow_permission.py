#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_permission
short_description: Manage what users and roles of an MLflow tracking server may do
version_added: 1.0.0
description:
  - Gives permissions for experiments, models and other resources to one user or one role of MLflow's own login application,
    C(mlflow server --app-name basic-auth), and takes them away.
  - Knows the API of MLflow 3.10 to 3.12, which has permissions of users for each kind of resource, and that of 3.13 and newer.
    Roles have permissions since 3.12.
  - Resources are named as users name them. The module finds out their ids.
  - What is not listed stays as it is, unless O(exclusive=true).
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
options:
  user:
    description: Name of the user whose permissions are set. Those that the user has by its roles do not count here.
    type: str
  role:
    description: Name of the role whose permissions are set.
    type: str
  workspace:
    description: The workspace of the resources, and of O(role). V(default) is also the only one of a server without workspaces.
    type: str
    default: default
  permissions:
    description: Resources, and what may be done with them.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - Kind of the resource. The server says so when its version does not have permissions for it.
          - Those from V(workspace) on are for all of a workspace, with V(*) as O(permissions[].name).
          - In MLflow 3.13 and newer, users get permissions for V(workspace) only by roles.
        type: str
        required: true
        choices:
          - experiment
          - registered_model
          - prompt
          - scorer
          - gateway_endpoint
          - gateway_model_definition
          - gateway_secret
          - mcp_server
          - workspace
          - run
          - trace
          - assessment
          - logged_model
          - review_queue
          - registered_model_version
          - prompt_version
          - scorer_version
          - mcp_server_version
      name:
        description:
          - Name of the resource, for example of an experiment.
          - V(*) means all of that kind in the workspace, which users can have in MLflow 3.13 and newer.
        type: str
        required: true
      experiment:
        description: Name of the experiment that a V(scorer) belongs to.
        type: str
      permission:
        description:
          - What is allowed; each includes those before it in the list V(READ), V(USE), V(EDIT), V(MANAGE). Needed with O(state=present).
          - V(NO_PERMISSIONS) is for users in MLflow 3.12 and older. V(DENY), in 3.17 and newer, also counts against what a role allows.
          - For V(workspace), MLflow 3.13 and newer take V(USE), which is to be a member, and V(MANAGE).
        type: str
        choices: [READ, USE, EDIT, MANAGE, NO_PERMISSIONS, DENY]
  exclusive:
    description:
      - Whether to take all other permissions in the workspace away, with O(state=present).
      - MLflow gives MANAGE to who makes an experiment or a model, and keeps it among the permissions of that user, so for users this takes their own from them.
      - Before MLflow 3.13 permissions for experiments are not kept by workspace, so those for other workspaces go as well.
    type: bool
    default: false
  state:
    description: Whether the permissions exist. With V(absent), O(permissions[].permission) does not matter, and what does not exist is passed over.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: mlops.mlflow.mlflow_permission_info
  - module: mlops.mlflow.mlflow_role
  - module: mlops.mlflow.mlflow_user
"""

EXAMPLES = r"""
- name: Let somebody work on an experiment and read a model
  mlops.mlflow.mlflow_permission:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    user: alice
    permissions:
      - {type: experiment, name: churn, permission: EDIT}
      - {type: registered_model, name: churn, permission: READ}

- name: Let a role read all experiments, and do nothing else
  mlops.mlflow.mlflow_permission:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    role: auditors
    permissions:
      - {type: experiment, name: "*", permission: READ}
    exclusive: true

- name: Take a permission away
  mlops.mlflow.mlflow_permission:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    user: alice
    permissions:
      - {type: experiment, name: churn}
    state: absent
"""

RETURN = r"""
permissions:
  description: Those of the permissions looked at that there are now, or would be in check mode, by kind and name of the resource.
  returned: success
  type: dict
  sample:
    experiment churn: EDIT
    registered_model churn: READ
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_grants import NAMED_TYPES, PERMISSIONS, WHOLE_TYPES, ensure_permissions


def main() -> t.NoReturn:
    permission = {
        "type": {"type": "str", "required": True, "choices": [*NAMED_TYPES, *WHOLE_TYPES]},
        "name": {"type": "str", "required": True},
        "experiment": {"type": "str"},
        "permission": {"type": "str", "choices": PERMISSIONS},
    }
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "user": {"type": "str"},
            "role": {"type": "str"},
            "workspace": {"type": "str", "default": "default"},
            "permissions": {"type": "list", "elements": "dict", "required": True, "options": permission},
            "exclusive": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        mutually_exclusive=[("user", "role")],
        required_one_of=[("user", "role")],
        supports_check_mode=True,
    )
    before, after = run(module, ensure_permissions, check_mode=module.check_mode)
    module.exit_json(changed=before != after, permissions=after["permissions"], diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
