#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_group
short_description: Manage groups of users of a MinIO or Silo server
version_added: 1.0.0
description:
  - Creates, changes and removes groups, and keeps the lists of their members and policies exact, through the admin API of the server.
  - An option that is not given is not touched.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._minio
options:
  name:
    description: Name of the group.
    type: str
    required: true
  members:
    description: Names of the users in the group, these and no others. An empty list takes all of them out.
    type: list
    elements: str
  policies:
    description: Names of the policies that the members get, these and no others. An empty list takes all of them away.
    type: list
    elements: str
  enabled:
    description: Whether the members get the policies of the group.
    type: bool
  state:
    description: Whether the group exists.
    type: str
    choices: [present, absent]
    default: present
  force:
    description: With O(state=absent), remove a group that still has members. The users themselves stay.
    type: bool
    default: false
seealso:
  - module: mlops.mlflow.minio_group_info
  - module: mlops.mlflow.minio_policy
  - module: mlops.mlflow.minio_user
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: Let the trainers read the models
  mlops.mlflow.minio_group:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: trainers
    members: [alice, bob]
    policies: [read-models]

- name: Dissolve a group
  mlops.mlflow.minio_group:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: interns
    state: absent
    force: true
"""

RETURN = r"""
group:
  description: The group as it is now, or would be in check mode. Empty when it does not exist.
  returned: success
  type: dict
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
    name: trainers
    enabled: true
    members: [alice, bob]
    policies: [read-models]
unknown_policies:
  description: What O(policies) names and the server does not have.
  returned: when the module fails for that reason
  type: list
  elements: str
unknown_members:
  description: What O(members) names and is no user of the server.
  returned: when the module fails for that reason
  type: list
  elements: str
members:
  description: Who is still in the group that was to be removed without O(force).
  returned: when the module fails for that reason
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import ensure_group, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "name": {"type": "str", "required": True},
            "members": {"type": "list", "elements": "str"},
            "policies": {"type": "list", "elements": "str"},
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    before, after = run(module, ensure_group, check_mode=module.check_mode)
    module.exit_json(changed=before != after, group=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
