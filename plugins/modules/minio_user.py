#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_user
short_description: Manage users of a MinIO or Silo server
version_added: 1.0.0
description:
  - Creates, changes and removes users, and keeps the list of their policies exact, through the admin API of the server.
  - The server does not tell a user's secret. Whether it is the wanted one is found out by using it. That is not possible
    for a user that is disabled and stays so, whose secret is left as it is. One that gets enabled gets the secret anew.
  - A user can make service accounts and temporary keys of its key, unless a policy denies it. They serve on their own, so a new secret
    and the end of the user end them too. The diff names them. As long as a user is disabled, the server refuses them.
  - An option that is not given is not touched.
  - The server's root user and the users of an LDAP directory are not managed here, nor single service accounts.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._minio
options:
  access_key:
    description: Name of the user, 3 ASCII characters or more. MinIO's own tools make names of up to 20.
    type: str
    required: true
  secret_key:
    description: Secret of the user, 8 bytes or more. MinIO's own tools make secrets of up to 40. Needed to create a user.
    type: str
  policies:
    description:
      - Names of the policies that the user has, these and no others. An empty list takes all of them away.
      - Policies that a user has as the member of a group do not count here.
      - The server can change them only for a user that is enabled, or about to be.
    type: list
    elements: str
  enabled:
    description: Whether the user may log in.
    type: bool
  state:
    description: Whether the user exists.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: mlops.mlflow.minio_group
  - module: mlops.mlflow.minio_policy
  - module: mlops.mlflow.minio_user_info
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: Give MLflow a key of its own
  mlops.mlflow.minio_user:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    access_key: mlflow
    secret_key: "{{ mlflow_s3_secret_key }}"
    policies: [mlflow]

- name: Lock a user out
  mlops.mlflow.minio_user:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    access_key: intern
    enabled: false
"""

RETURN = r"""
user:
  description: The user as it is now, or would be in check mode. Empty when it does not exist.
  returned: success
  type: dict
  contains:
    access_key:
      description: Name of the user.
      type: str
    enabled:
      description: Whether the user may log in.
      type: bool
    policies:
      description: Names of its policies.
      type: list
      elements: str
    groups:
      description: Names of the groups that it is in.
      type: list
      elements: str
  sample:
    access_key: mlflow
    enabled: true
    policies: [mlflow]
    groups: []
unknown_policies:
  description: What O(policies) names and the server does not have.
  returned: when the module fails for that reason
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import ensure_user, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "access_key": {"type": "str", "required": True, "no_log": False},
            "secret_key": {"type": "str", "no_log": True},
            "policies": {"type": "list", "elements": "str"},
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    before, after = run(module, ensure_user, check_mode=module.check_mode)
    user = {key: value for key, value in after.items() if key in ("access_key", "enabled", "policies", "groups")}
    module.exit_json(changed=before != after, user=user, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
