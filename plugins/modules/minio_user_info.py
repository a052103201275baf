#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_user_info
short_description: List users of a MinIO or Silo server
version_added: 1.0.0
description:
  - Lists the users with their status, policies and groups, through the admin API of the server. Changes nothing.
  - The server tells no secrets, and does not count its root user and service accounts as users.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._minio
attributes:
  diff_mode:
    support: N/A
options:
  access_key:
    description: Name of the only user to list. Without it all are listed.
    type: str
seealso:
  - module: mlops.mlflow.minio_user
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: List all users
  mlops.mlflow.minio_user_info:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
  register: s3

- name: Show who is locked out
  ansible.builtin.debug:
    msg: "{{ s3.users | rejectattr('enabled') | map(attribute='access_key') }}"
"""

RETURN = r"""
users:
  description: The users, ordered by name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    access_key:
      description: Name of the user.
      type: str
    enabled:
      description: Whether the user may log in. Null for a user of an LDAP directory.
      type: bool
    policies:
      description: Names of the policies of its own.
      type: list
      elements: str
    groups:
      description: Names of the groups that it is in.
      type: list
      elements: str
  sample:
    - access_key: mlflow
      enabled: true
      policies: [mlflow]
      groups: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import list_users, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "access_key": {"type": "str", "no_log": False},
        },
        supports_check_mode=True,
    )
    found = run(module, list_users)
    module.exit_json(changed=False, users=found)


if __name__ == "__main__":
    main()
