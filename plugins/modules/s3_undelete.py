#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_undelete
short_description: Bring back deleted objects of a bucket with versioning
version_added: 1.0.0
description:
  - In a bucket with versioning, an object that was deleted is hidden by a delete marker. This module removes the markers, so that the newest
    version of each object is there again, without copying anything.
  - Objects that exist are left as they are, also where they were overwritten. Versions that are gone by a lifecycle rule cannot come back.
  - Check mode lists what would come back.
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
  prefix:
    description: Bring back only objects whose name begins like this, for example V(1/) for the artifacts of MLflow's experiment 1. Empty for all.
    type: str
    default: ""
  deleted_since:
    description:
      - Bring back only what was deleted at this time or later, for example V(2026-05-01T14:00:00Z). Without a zone it is UTC.
      - Without it, all that was deleted and is still there comes back.
    type: str
seealso:
  - module: mlops.mlflow.s3_bucket
"""

EXAMPLES = r"""
# The host that runs the task needs boto3: Debian's package python3-boto3, or a virtual environment that ansible_python_interpreter names.
# The role minio keeps one with boto3 and minio on its hosts: /opt/minio/tools/bin/python.
- name: Bring back the artifacts of experiment 1 that were deleted today
  mlops.mlflow.s3_undelete:
    endpoint_url: https://s3.example.com:9000
    access_key: admin
    secret_key: "{{ s3_admin_password }}"
    name: mlflow
    prefix: 1/
    deleted_since: "2026-05-01"
"""

RETURN = r"""
objects:
  description: Names of the objects that came back, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [1/0a1b2c/artifacts/model.pkl]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._s3 import BOTO3_IMPORT_ERROR, Bucket, S3Error, connect, s3_argument_spec, undelete


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **s3_argument_spec(),
            "name": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": ""},
            "deleted_since": {"type": "str"},
        },
        required_together=[("access_key", "secret_key")],
        mutually_exclusive=[("profile", "access_key"), ("profile", "session_token")],
        required_by={"session_token": "access_key"},
        supports_check_mode=True,
    )
    if BOTO3_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("boto3"), exception=BOTO3_IMPORT_ERROR)
    options = module.params
    try:
        client = connect(**{key: options[key] for key in s3_argument_spec()})
        names = undelete(Bucket(client, options["name"]), options["prefix"], options["deleted_since"], module.check_mode)
    except S3Error as exc:
        module.fail_json(msg=str(exc))
    shown = {"before": "", "after": "".join(f"{name}\n" for name in names), "before_header": options["name"], "after_header": options["name"]}
    module.exit_json(changed=bool(names), objects=names, diff=shown)


if __name__ == "__main__":
    main()
