#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_user
short_description: Manage users of an MLflow tracking server
version_added: 1.0.0
description:
  - Creates, changes and removes users of MLflow's own login application, C(mlflow server --app-name basic-auth), version 3.10 or newer.
  - The server does not tell a password. Whether it is the wanted one is found out by logging in with it.
  - An option that is not given is not touched.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
options:
  name:
    description: Name of the user, in ASCII and without a colon.
    type: str
    required: true
  password:
    description:
      - Password of the user, of 12 characters or more, as MLflow wants it, and in ASCII, for it refuses others on the way to artifacts, traces and the
        gateway. Needed to make a user.
      - Where the user is O(login_user), this is how it changes its own password. A later run with the old O(login_password) finds it changed.
    type: str
  update_password:
    description: Whether to change the password of a user that exists when it is another one than O(password), or to set it for new users only.
    type: str
    choices: [always, on_create]
    default: always
  admin:
    description: Whether the user may do everything. A new user may not unless this is said.
    type: bool
  state:
    description: Whether the user exists.
    type: str
    choices: [present, absent]
    default: present
notes:
  - A server with C(auth_cache_ttl_seconds) and several workers may take an old password, or a removed user, until that time is over.
seealso:
  - module: mlops.mlflow.mlflow_permission
  - module: mlops.mlflow.mlflow_role
  - module: mlops.mlflow.mlflow_user_info
"""

EXAMPLES = r"""
- name: Let somebody in
  mlops.mlflow.mlflow_user:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    name: alice
    password: "{{ vault_mlflow_alice_password }}"

- name: Change the administrator's own password
  mlops.mlflow.mlflow_user:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_old_admin_password }}"
    name: admin
    password: "{{ vault_mlflow_admin_password }}"

- name: Say the connection once, and have no leavers
  module_defaults:
    group/mlops.mlflow.mlflow_api:
      url: https://mlflow.example.com
      login_user: admin
      login_password: "{{ vault_mlflow_admin_password }}"
  block:
    - name: Remove who has left
      mlops.mlflow.mlflow_user:
        name: "{{ item }}"
        state: absent
      loop: [bob, carol]
"""

RETURN = r"""
user:
  description: The user as it is now, or would be in check mode. Empty when it does not exist.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the user.
      type: str
    admin:
      description: Whether the user may do everything.
      type: bool
  sample:
    name: alice
    admin: false
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import ensure_user


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
            "admin": {"type": "bool"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    before, after = run(module, ensure_user, check_mode=module.check_mode)
    user = {key: value for key, value in after.items() if key != "login"}
    module.exit_json(changed=before != after, user=user, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
