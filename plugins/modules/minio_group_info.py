#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_group_info
short_description: List groups of a MinIO or Silo server
version_added: 1.0.0
description:
  - Lists the groups with their status, members and policies, through the admin API of the server. Changes nothing.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._minio
attributes:
  diff_mode:
    support: N/A
options:
  name:
    description: Name of the only group to list. Without it all are listed.
    type: str
seealso:
  - module: mlops.mlflow.minio_group
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: Find out who is in the group
  mlops.mlflow.minio_group_info:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: trainers
  register: group_found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ group_found.groups | map(attribute='members') | flatten }}"
"""

RETURN = r"""
groups:
  description: The groups, ordered by name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the group.
      type: str
    enabled:
      description: Whether the members get the policies of the group.
      type: bool
    members:
      description: Names of the users in it.
      type: list
      elements: str
    policies:
      description: Names of its policies.
      type: list
      elements: str
  sample:
    - name: trainers
      enabled: true
      members: [alice, bob]
      policies: [read-models]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import list_groups, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = run(module, list_groups)
    module.exit_json(changed=False, groups=found)


if __name__ == "__main__":
    main()
