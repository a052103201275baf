#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_store_check
short_description: See whether an MLflow server may use its store for artifacts
version_added: 1.0.0
description:
  - Writes, lists, reads and deletes one small object in the store, with MLflow's own Python and the rights that the server is going to have.
  - Fails with what is wrong in words, such as a wrong key, a missing bucket, a right that lacks, another region or a clock that is wrong, and with the
    variable of the role C(mlflow_server) that says otherwise.
  - Does nothing where the server has that environment already, so that a run without changes costs nothing.
  - Knows S3, Azure Blob (C(wasbs://)) and Google Cloud Storage (C(gs://)). Other URIs, and folders, are left alone.
  - The object is named C(mlflow-store-check-) and the name of the host. Versions of it stay where the store keeps versions.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  uris:
    description: Where artifacts are going to be.
    type: list
    elements: str
    required: true
  environment:
    description: The environment of the server as it is going to be, as systemd reads it from a file.
    type: str
    required: true
  environment_file:
    description: The file with the environment of the server as it is now.
    type: path
    required: true
  files:
    description:
      - Files that O(environment) names and that may not be written yet, such as CA certificates, and what is in them.
    type: dict
    default: {}
  virtualenv:
    description: The virtual environment that has MLflow.
    type: path
    required: true
  delete_required:
    description: Whether the server has to be able to delete. Else a warning says that it cannot, and that the object is left there.
    type: bool
    default: false
  timeout:
    description: Seconds until the module gives up.
    type: int
    default: 90
attributes:
  check_mode:
    support: full
    details: An object would be a change of the store, so it is not asked.
  diff_mode:
    support: none
seealso:
  - module: mlops.mlflow.mlflow_artifact_info
  - module: mlops.mlflow.s3_bucket
"""

EXAMPLES = r"""
- name: See whether MLflow may use another bucket
  mlops.mlflow.mlflow_store_check:
    uris: [s3://other-bucket]
    environment: "{{ lookup('ansible.builtin.template', 'mlflow.env.j2') }}"
    environment_file: /etc/mlflow/mlflow.env
    virtualenv: /opt/mlflow/current
"""

RETURN = r"""
checked:
  description: The URIs whose store was asked.
  returned: success
  type: list
  elements: str
  sample: ["s3://mlflow"]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import parse_environment
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import secrets_in
from ansible_collections.mlops.mlflow.plugins.module_utils._store_words import StoreError, ask, checked, explain


def is_current(path: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip() == text.strip()
    except FileNotFoundError:
        return False


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "uris": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "str", "required": True, "no_log": True},
            "environment_file": {"type": "path", "required": True},
            "files": {"type": "dict", "default": {}, "no_log": True},
            "virtualenv": {"type": "path", "required": True},
            "delete_required": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    asked = module.params
    uris = checked(asked["uris"])
    if module.check_mode or not uris or is_current(asked["environment_file"], asked["environment"]):
        module.exit_json(changed=False, checked=[])
    environment = parse_environment(asked["environment"])
    # Libraries repeat them now and then.
    module.no_log_values.update(secrets_in(environment))
    python = os.path.join(asked["virtualenv"], "bin", "python")
    try:
        found = ask(module.run_command, python, uris, environment, asked["files"], asked["timeout"])
    except StoreError as exc:
        module.fail_json(msg=str(exc))
    for uri, problem in found.items():
        if problem and (problem["step"] != "delete" or asked["delete_required"]):
            module.fail_json(msg=explain(uri, problem, environment))
        if problem:
            module.warn(f"Nothing can be deleted there, not even the object of this check. {explain(uri, problem, environment)}")
    module.exit_json(changed=False, checked=uris)


if __name__ == "__main__":
    main()
