#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_policy
short_description: Manage access policies of a MinIO or Silo server
version_added: 1.0.0
description:
  - Creates, changes and removes access policies through the admin API of the server.
  - Policies are compared by what they mean, so that the form into which the server rewrites them is no change.
  - What the server would refuse is refused in check mode as well, save for the names of actions, conditions and the like, which only the server knows.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._minio
options:
  name:
    description: Name of the policy.
    type: str
    required: true
  state:
    description: Whether the policy exists. A policy that is attached to somebody cannot be removed, nor can those that are built into the server.
    type: str
    choices: [present, absent]
    default: present
  policy:
    description: The policy, as a dictionary or as JSON text, with C(Version) V(2012-10-17). This or O(bucket) is needed with O(state=present).
    type: json
  bucket:
    description:
      - In place of O(policy), the bucket whose objects the holder may list, read, write, tag and delete, and nothing else.
      - Old versions cannot be deleted, so that a bucket with versioning can be brought back to what it was.
      - The holder can make no service accounts, which would outlive a new secret, and cannot change its own secret.
    type: str
  access:
    description: What the holder may do in O(bucket). With V(read) it may list and read alone, such as for backups.
    type: str
    choices: [read, write]
    default: write
  prefix:
    description: A folder in O(bucket), without a slash at its ends. The holder may list, read and change what is below it alone.
    type: str
    version_added: 1.0.0
seealso:
  - module: mlops.mlflow.minio_group
  - module: mlops.mlflow.minio_policy_info
  - module: mlops.mlflow.minio_user
"""

EXAMPLES = r"""
# The host that runs the task needs the library minio, which Debian does not have: in a virtual environment that ansible_python_interpreter names.
# The role minio keeps one on its hosts: /opt/minio/tools/bin/python.
- name: Let the holder read one bucket
  mlops.mlflow.minio_policy:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: read-models
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: [s3:GetBucketLocation, s3:ListBucket]
          Resource: arn:aws:s3:::models
        - Effect: Allow
          Action: s3:GetObject
          Resource: arn:aws:s3:::models/*

- name: Let MLflow use its bucket
  mlops.mlflow.minio_policy:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: mlflow
    bucket: mlflow

- name: Let a backup read it
  mlops.mlflow.minio_policy:
    endpoint_url: https://s3.example.com:9000
    login_user: admin
    login_password: "{{ s3_admin_password }}"
    name: mlflow-backup
    bucket: mlflow
    access: read
"""

RETURN = r"""
policy:
  description: The policy as it is now, or would be in check mode, in the form used to compare. Empty when it does not exist.
  returned: success
  type: dict
  sample:
    Version: "2012-10-17"
    Statement: [{Effect: Allow, Action: ["s3:GetObject"], Resource: ["arn:aws:s3:::models/*"]}]
users:
  description: Who still has the policy that was to be removed.
  returned: when the module fails for that reason
  type: list
  elements: str
groups:
  description: Which groups still have the policy that was to be removed.
  returned: when the module fails for that reason
  type: list
  elements: str
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import ensure_policy, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import run


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **minio_argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "policy": {"type": "json"},
            "bucket": {"type": "str"},
            "access": {"type": "str", "choices": ["read", "write"], "default": "write"},
            "prefix": {"type": "str"},
        },
        mutually_exclusive=[("policy", "bucket")],
        required_by={"prefix": "bucket"},
        required_if=[("state", "present", ["policy", "bucket"], True)],
        supports_check_mode=True,
    )
    before, after = run(module, ensure_policy, check_mode=module.check_mode)
    name = module.params["name"]
    shown = {"before": _shown(before), "after": _shown(after), "before_header": name, "after_header": name}
    module.exit_json(changed=before != after, policy=after, diff=shown)


def _shown(policy: dict) -> str:
    return json.dumps(policy, indent=2, sort_keys=True) + "\n" if policy else ""


if __name__ == "__main__":
    main()
