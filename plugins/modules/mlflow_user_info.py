#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_user_info
short_description: List users of an MLflow tracking server
version_added: 1.0.0
description:
  - Lists the users of MLflow's own login application, C(mlflow server --app-name basic-auth), version 3.10 or newer. Changes nothing.
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
    description: Name of the only user to list. Without it all are listed.
    type: str
seealso:
  - module: mlops.mlflow.mlflow_user
"""

EXAMPLES = r"""
- name: List all users
  mlops.mlflow.mlflow_user_info:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
  register: mlflow

- name: Show who may do everything
  ansible.builtin.debug:
    msg: "{{ mlflow.users | selectattr('admin') | map(attribute='name') }}"
"""

RETURN = r"""
users:
  description: The users, ordered by name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the user.
      type: str
    admin:
      description: Whether the user may do everything.
      type: bool
    roles:
      description: The roles that the user has. Empty before MLflow 3.12, which has none.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the role.
          type: str
        workspace:
          description: The workspace that the role is for.
          type: str
  sample:
    - name: alice
      admin: false
      roles: [{name: trainers, workspace: default}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import list_users


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = run(module, list_users)
    module.exit_json(changed=False, users=found)


if __name__ == "__main__":
    main()
