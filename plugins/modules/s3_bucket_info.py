#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_bucket_info
short_description: Tell what a bucket of AWS, MinIO, Silo or any other S3 server is like
version_added: 1.0.0
description:
  - Reads a bucket and changes nothing.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._s3
attributes:
  diff_mode:
    support: N/A
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  gather:
    description:
      - What to read. Each costs one call, besides the one that finds out whether the bucket exists.
      - V(quota) needs the Python library C(minio), and an O(access_key) that may read quotas.
    type: list
    elements: str
    choices: [versioning, object_lock_enabled, encryption, policy, tags, lifecycle_rules, object_lock_retention, notifications, quota]
    default: [versioning, object_lock_enabled, encryption, policy, tags, lifecycle_rules]
seealso:
  - module: mlops.mlflow.s3_bucket
"""

EXAMPLES = r"""
# The host that runs the task needs boto3: Debian's package python3-boto3, or a virtual environment that ansible_python_interpreter names.
# The role minio keeps one with boto3 and minio on its hosts: /opt/minio/tools/bin/python.
- name: Look at a bucket
  mlops.mlflow.s3_bucket_info:
    endpoint_url: https://s3.example.com:9000
    access_key: admin
    secret_key: "{{ s3_admin_password }}"
    name: mlflow
  register: mlflow

- name: Refuse to go on without old versions
  ansible.builtin.assert:
    that: mlflow.bucket.versioning
"""

RETURN = r"""
exists:
  description: Whether there is such a bucket.
  returned: success
  type: bool
bucket:
  description: The bucket, empty when it does not exist.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the bucket.
      type: str
      returned: when the bucket exists
    region:
      description: Region of the bucket.
      type: str
      returned: when the bucket exists
    versioning:
      description: Whether old versions of objects are kept. This and what follows is null when the server has no such thing.
      type: bool
      returned: when O(gather) names it
    object_lock_enabled:
      description: Whether versions can be locked.
      type: bool
      returned: when O(gather) names it
    encryption:
      description: The C(algorithm) and the C(key_id), which is null for the default key of the server.
      type: dict
      returned: when O(gather) names it
    policy:
      description: The policy in the form in which two can be compared.
      type: dict
      returned: when O(gather) names it
    tags:
      description: All tags.
      type: dict
      returned: when O(gather) names it
    lifecycle_rules:
      description: The rules in the form in which two can be compared.
      type: list
      elements: dict
      returned: when O(gather) names it
    object_lock_retention:
      description: The C(mode), and the C(days) or C(years) for which new versions are locked. Empty without one.
      type: dict
      returned: when O(gather) names it
    notifications:
      description: The notifications in the form in which two can be compared.
      type: list
      elements: dict
      returned: when O(gather) names it
    quota:
      description: How many bytes the bucket may hold, 0 for no limit.
      type: int
      returned: when O(gather) names it
  sample:
    name: mlflow
    region: us-east-1
    versioning: true
    tags:
      owner: ml-team
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._policy import PolicyError
from ansible_collections.mlops.mlflow.plugins.module_utils._s3 import (
    BOTO3_IMPORT_ERROR,
    Bucket,
    S3Error,
    connect,
    connect_admin,
    describe,
    s3_argument_spec,
)


def main() -> t.NoReturn:
    aspects = ["versioning", "object_lock_enabled", "encryption", "policy", "tags", "lifecycle_rules"]
    module = AnsibleModule(
        argument_spec={
            **s3_argument_spec(),
            "name": {"type": "str", "required": True},
            "gather": {"type": "list", "elements": "str", "choices": [*aspects, "object_lock_retention", "notifications", "quota"], "default": aspects},
        },
        required_together=[("access_key", "secret_key")],
        mutually_exclusive=[("profile", "access_key"), ("profile", "session_token")],
        required_by={"session_token": "access_key"},
        supports_check_mode=True,
    )
    if BOTO3_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("boto3"), exception=BOTO3_IMPORT_ERROR)
    options = module.params
    if "quota" in options["gather"]:
        from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import require_library

        require_library(module)
    login = {key: options[key] for key in s3_argument_spec()}
    try:
        client = connect(**login)
        bucket = describe(Bucket(client, options["name"], admin=lambda: connect_admin(client, **login)), options["gather"])
    except (S3Error, PolicyError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, exists=bool(bucket), bucket=bucket)


if __name__ == "__main__":
    main()
