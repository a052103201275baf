#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_policy_info
short_description: List policies of a MinIO or Silo server
version_added: 1.0.0
description:
  - Tells what the access policies of a server allow, and who has them, through the admin API of the server. Changes nothing.
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
    description: Name of the only policy to list. Without it all are listed.
    type: str
seealso:
  - module: mlops.mlflow.minio_policy
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: Find out who has the policy
  mlops.mlflow.minio_policy_info:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: read-models
  register: policy_found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ policy_found.policies[0].users }}"
"""

RETURN = r"""
policies:
  description: The policies, ordered by name. Empty when there is none of that name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the policy.
      type: str
    policy:
      description: The policy itself, in the form used to compare.
      type: dict
    users:
      description: Names of the users that it is attached to.
      type: list
      elements: str
    groups:
      description: Names of the groups that it is attached to.
      type: list
      elements: str
  sample:
    - name: read-models
      policy:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: ["s3:GetObject"], Resource: ["arn:aws:s3:::models/*"]}]
      users: [trainer]
      groups: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import list_policies, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = run(module, list_policies)
    module.exit_json(changed=False, policies=found)


if __name__ == "__main__":
    main()
