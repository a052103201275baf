#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_bucket
short_description: Manage buckets of AWS, MinIO, Silo and any other S3 server
version_added: 1.0.0
description:
  - Creates, changes and deletes a bucket. Options that are not given are neither read nor changed, so that a server
    needs to support only what is asked for.
  - Policies and lifecycle rules are compared by what they mean, so that the form into which a server rewrites them is no change.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._s3
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  state:
    description: Whether the bucket exists.
    type: str
    choices: [present, absent]
    default: present
  force:
    description: With O(state=absent), delete a bucket that is not empty, with every version of every object in it.
    type: bool
    default: false
  versioning:
    description: Whether old versions of objects are kept.
    type: bool
  object_lock_enabled:
    description: Whether versions can be locked against deletion. S3 lets this be chosen only when the bucket is created.
    type: bool
  encryption:
    description: How the server encrypts objects for which the client does not say it. V(none) leaves it to the server.
    type: str
    choices: [none, AES256, "aws:kms", "aws:kms:dsse"]
  encryption_key_id:
    description: The key to encrypt with, for O(encryption=aws:kms) and O(encryption=aws:kms:dsse).
    type: str
  policy:
    description: The bucket policy, as a dictionary or as JSON text. An empty one, V({}), removes it.
    type: json
  tags:
    description: Tags of the bucket.
    type: dict
  purge_tags:
    description: Whether to remove the tags that O(tags) does not name.
    type: bool
    default: true
  lifecycle_rules:
    description:
      - The lifecycle rules, these and no others, with the keys of the S3 API. An empty list removes them.
      - A rule without C(ID) gets one made from its content, one without C(Status) is V(Enabled), one without C(Filter) is for every object.
      - MinIO and Silo cannot keep C(AbortIncompleteMultipartUpload) and remove stale uploads on their own, after 24 hours if not set otherwise.
        On these servers the action is left out.
    type: list
    elements: dict
seealso:
  - module: mlops.mlflow.minio_policy
  - module: mlops.mlflow.minio_user
"""

EXAMPLES = r"""
- name: Create a bucket on AWS, with the login of the instance
  mlops.mlflow.s3_bucket:
    name: example-mlflow
    region: eu-central-1

- name: Keep deleted artifacts for a month
  mlops.mlflow.s3_bucket:
    endpoint_url: https://s3.example.com:9000
    aws_ca_bundle: /etc/ssl/certs/ca-certificates.crt
    access_key: admin
    secret_key: "{{ s3_admin_password }}"
    name: mlflow
    versioning: true
    lifecycle_rules:
      - ID: old-versions
        NoncurrentVersionExpiration: {NoncurrentDays: 30}
    tags:
      owner: ml-team

- name: Delete a bucket with all that is in it
  mlops.mlflow.s3_bucket:
    endpoint_url: https://s3.example.com:9000
    access_key: admin
    secret_key: "{{ s3_admin_password }}"
    name: scratch
    state: absent
    force: true
"""

RETURN = r"""
bucket:
  description: The bucket as it is now, or would be in check mode, as far as options name it. Empty when it does not exist.
  returned: success
  type: dict
  sample:
    name: mlflow
    versioning: true
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._policy import PolicyError
from ansible_collections.mlops.mlflow.plugins.module_utils._s3 import (
    BOTO3_IMPORT_ERROR,
    Bucket,
    S3Error,
    connect,
    ensure_absent,
    ensure_present,
    s3_argument_spec,
)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **s3_argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
            "versioning": {"type": "bool"},
            "object_lock_enabled": {"type": "bool"},
            "encryption": {"type": "str", "choices": ["none", "AES256", "aws:kms", "aws:kms:dsse"]},
            "encryption_key_id": {"type": "str", "no_log": False},
            "policy": {"type": "json"},
            "tags": {"type": "dict"},
            "purge_tags": {"type": "bool", "default": True},
            "lifecycle_rules": {"type": "list", "elements": "dict"},
        },
        required_together=[("access_key", "secret_key")],
        mutually_exclusive=[("profile", "access_key"), ("profile", "session_token")],
        required_by={"encryption_key_id": "encryption", "session_token": "access_key"},
        supports_check_mode=True,
    )
    if BOTO3_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("boto3"), exception=BOTO3_IMPORT_ERROR)
    options = module.params
    try:
        bucket = Bucket(connect(**{key: options[key] for key in s3_argument_spec()}), options["name"])
        if options["state"] == "present":
            before, after = ensure_present(bucket, options, module.check_mode)
        else:
            before, after = ensure_absent(bucket, options["force"], module.check_mode)
    except (S3Error, PolicyError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=before != after, bucket=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
