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
    needs to support only what is asked for. To switch off what a server does not have is no change.
  - A bucket that needs no change costs one call, and one more for each of the options O(versioning), O(object_lock_enabled),
    O(object_lock_retention), O(encryption), O(policy), O(tags), O(lifecycle_rules), O(notifications) and O(quota) that is given.
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
    description:
      - With O(state=absent), delete a bucket that is not empty, with every version of every object in it and every unfinished upload.
      - Versions that an object lock retains stop this.
    type: bool
    default: false
  versioning:
    description: Whether old versions of objects are kept. A bucket that never had versioning is not touched by V(false).
    type: bool
  object_lock_enabled:
    description:
      - Whether versions can be locked against deletion. It brings versioning along, and cannot be switched off.
      - AWS lets it be switched on later where versioning is on; MinIO and Silo let it be chosen only when the bucket is created.
    type: bool
  object_lock_retention:
    description:
      - How long new versions are locked if their writer says nothing else. An empty dictionary ends that for further ones.
      - It needs a bucket with an object lock.
    type: dict
    suboptions:
      mode:
        description: V(governance) lets who has the right for it delete locked versions, V(compliance) lets nobody, not even the root user.
        type: str
        choices: [governance, compliance]
      days:
        description: For how many days. Either these or O(object_lock_retention.years).
        type: int
      years:
        description: For how many years.
        type: int
  encryption:
    description:
      - How the server encrypts objects for which the client does not say it.
      - V(none) removes the setting. On AWS, where every bucket is encrypted, it is the same as V(AES256).
    type: str
    choices: [none, AES256, "aws:kms", "aws:kms:dsse"]
  encryption_key_id:
    description:
      - The key to encrypt with, for O(encryption=aws:kms) and O(encryption=aws:kms:dsse).
      - Without it, the key that the bucket has is kept. An empty one means the default key of the server.
      - MinIO and Silo have no default key.
    type: str
  policy:
    description: The bucket policy, as a dictionary or as JSON text. An empty one, V({}), removes it.
    type: json
  tags:
    description: Tags of the bucket, at most 50. Values are texts of up to 256 characters. An empty dictionary removes them.
    type: dict
  purge_tags:
    description: Whether to remove the tags that O(tags) does not name. Those of AWS itself, C(aws:...), always stay.
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
  notifications:
    description:
      - Whom to tell about objects, these and no others. An empty list ends it. Deliveries to EventBridge of AWS stay as they are.
      - MinIO and Silo know queues (C(sqs)) that their configuration defines, for example V(arn:minio:sqs::PRIMARY:webhook).
    type: list
    elements: dict
    suboptions:
      arn:
        description: ARN of a queue (C(sqs)), a topic (C(sns)) or a function (C(lambda)).
        type: str
        required: true
      events:
        description: The events, for example V(s3:ObjectCreated:*).
        type: list
        elements: str
        required: true
      prefix:
        description: Only for objects whose name begins like this.
        type: str
      suffix:
        description: Only for objects whose name ends like this.
        type: str
  quota:
    description:
      - How much the bucket may hold, as a number of bytes or as a size like V(100G), which is 100 times 2 to the power of 30 bytes. V(0) is no limit.
      - Only MinIO and Silo have it. It needs the Python library C(minio) and an O(access_key) that may set quotas.
    type: str
notes:
  - The module fails, with the action and the cause in its message, when the server refuses a call, when what is asked for is not supported,
    and when O(region) is not the one of the server or of the bucket.
seealso:
  - module: mlops.mlflow.s3_bucket_info
  - module: mlops.mlflow.minio_policy
  - module: mlops.mlflow.minio_user
"""

EXAMPLES = r"""
# The host that runs the task needs boto3: Debian's package python3-boto3, or a virtual environment that ansible_python_interpreter names.
# The role minio keeps one with boto3 and minio on its hosts: /opt/minio/tools/bin/python.
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
    quota: 500G

- name: Let everybody read what lies under public/
  mlops.mlflow.s3_bucket:
    endpoint_url: https://s3.example.com:9000
    access_key: admin
    secret_key: "{{ s3_admin_password }}"
    name: mlflow
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: "*"
          Action: s3:GetObject
          Resource: arn:aws:s3:::mlflow/public/*

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
  contains:
    name:
      description: Name of the bucket.
      type: str
      returned: when the bucket exists
    versioning:
      description: Whether old versions of objects are kept.
      type: bool
      returned: when the option is given
    object_lock_enabled:
      description: Whether versions can be locked.
      type: bool
      returned: when the option is given
    object_lock_retention:
      description: The C(mode), and the C(days) or C(years). Empty without one.
      type: dict
      returned: when the option is given
    encryption:
      description: The C(algorithm) and the C(key_id), which is null for the default key of the server.
      type: dict
      returned: when the option is given
    policy:
      description: The policy in the form in which two can be compared.
      type: dict
      returned: when the option is given
    tags:
      description: All tags.
      type: dict
      returned: when the option is given
    lifecycle_rules:
      description: The rules in the form in which two can be compared.
      type: list
      elements: dict
      returned: when the option is given
    notifications:
      description: The notifications in the form in which two can be compared.
      type: list
      elements: dict
      returned: when the option is given
    quota:
      description: How many bytes the bucket may hold, 0 for no limit.
      type: int
      returned: when the option is given
  sample:
    name: mlflow
    versioning: true
    quota: 536870912000
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
            "object_lock_retention": {
                "type": "dict",
                "options": {"mode": {"type": "str", "choices": ["governance", "compliance"]}, "days": {"type": "int"}, "years": {"type": "int"}},
            },
            "encryption": {"type": "str", "choices": ["none", "AES256", "aws:kms", "aws:kms:dsse"]},
            "encryption_key_id": {"type": "str", "no_log": False},
            "policy": {"type": "json"},
            "tags": {"type": "dict"},
            "purge_tags": {"type": "bool", "default": True},
            "lifecycle_rules": {"type": "list", "elements": "dict"},
            "notifications": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "arn": {"type": "str", "required": True},
                    "events": {"type": "list", "elements": "str", "required": True},
                    "prefix": {"type": "str"},
                    "suffix": {"type": "str"},
                },
            },
            "quota": {"type": "str"},
        },
        required_together=[("access_key", "secret_key")],
        mutually_exclusive=[("profile", "access_key"), ("profile", "session_token")],
        required_by={"encryption_key_id": "encryption", "session_token": "access_key"},
        supports_check_mode=True,
    )
    if BOTO3_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("boto3"), exception=BOTO3_IMPORT_ERROR)
    options = module.params
    if options["quota"] is not None:
        from ansible_collections.mlops.mlflow.plugins.module_utils._minio_module import require_library

        require_library(module)
    login = {key: options[key] for key in s3_argument_spec()}
    try:
        client = connect(**login)
        bucket = Bucket(client, options["name"], admin=lambda: connect_admin(client, **login))
        if options["state"] == "present":
            before, after = ensure_present(bucket, options, module.check_mode)
        else:
            before, after = ensure_absent(bucket, options["force"], module.check_mode)
    except (S3Error, PolicyError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=before != after, bucket=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
