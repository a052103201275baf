#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_artifact_info
short_description: See which experiments other artifact settings of an MLflow server would strand
version_added: 1.0.0
description:
  - MLflow freezes the place of artifacts when an experiment is made. With other settings of the server, older experiments stay where they are.
  - Compares the settings that the server has now with those that it is going to have, and names the experiments that work with the former ones alone.
  - What has never worked, or is reached by clients with access of their own, is not named.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
options:
  environment_file:
    description:
      - The file with the environment of the server as it is now. Where there is none, only what no server could serve with the new settings is named.
    type: path
    required: true
  serve_artifacts:
    description: Whether the server is going to pass on artifacts.
    type: bool
    default: true
  artifacts_destination:
    description: URI of the store that it is going to pass them on to.
    type: str
    default: ""
  default_artifact_root:
    description: Where the artifacts of new experiments are going to be. Empty is C(mlflow-artifacts:/).
    type: str
    default: ""
  s3_endpoint_url:
    description: Address of the S3 store for the server, empty for AWS.
    type: str
    default: ""
  s3_public_url:
    description: Address of the S3 store for clients, where they have one.
    type: str
    default: ""
  timeout:
    description: Seconds until the module gives up. V(0) waits without limit.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: mlops.mlflow.mlflow_artifact_copy
  - module: mlops.mlflow.mlflow_artifact_locations
"""

EXAMPLES = r"""
- name: See what another bucket would strand
  mlops.mlflow.mlflow_artifact_info:
    login_host: db.example.org
    login_user: mlflow
    login_password: "{{ mlflow_db_password }}"
    login_db: mlflow
    virtualenv: /opt/mlflow/current
    environment_file: /etc/mlflow/mlflow.env
    artifacts_destination: s3://other-bucket
    s3_endpoint_url: https://s3.example.org
  register: mlflow_artifacts
"""

RETURN = r"""
roots:
  description: Where the artifacts of the experiments are, each place without its last part.
  returned: success
  type: list
  elements: str
  sample: ["mlflow-artifacts:", "s3://mlflow"]
stranded:
  description: What the new settings would strand, root by root.
  returned: success
  type: list
  elements: dict
  contains:
    root:
      description: The place without its last part.
      type: str
    experiments:
      description: How many experiments are there.
      type: int
    examples:
      description: Names and numbers of the first five.
      type: list
      elements: str
    reason:
      description: What would be wrong.
      type: str
    files:
      description: URI of the store in which the files are, empty where the server does not know it.
      type: str
    text:
      description: All of that in one sentence.
      type: str
  sample:
    - root: "mlflow-artifacts:"
      experiments: 12
      examples: [vision (3)]
      reason: the files are in s3://mlflow, and MLflow would look for them in s3://other-bucket
      files: s3://mlflow
      text: "12 experiments in mlflow-artifacts:, such as vision (3): the files are in s3://mlflow, and MLflow would look for them in s3://other-bucket"
plan:
  description: What would have to be done about it first. Empty where the server has no environment yet.
  returned: success
  type: dict
  contains:
    moves:
      description: From which URIs to which files have to be moved.
      type: list
      elements: dict
    locations:
      description: The beginnings of places, and what has to take their place, as M(mlops.mlflow.mlflow_artifact_locations) takes them.
      type: dict
    unplanned:
      description: Roots whose files are in a store that the server does not know.
      type: list
      elements: str
  sample: {moves: [{source: s3://mlflow, target: s3://other-bucket}], locations: {}, unplanned: []}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_places import Settings, settings_of
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import read_environment_file
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import Database, module_arguments
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            environment_file={"type": "path", "required": True},
            serve_artifacts={"type": "bool", "default": True},
            artifacts_destination={"type": "str", "default": ""},
            default_artifact_root={"type": "str", "default": ""},
            s3_endpoint_url={"type": "str", "default": ""},
            s3_public_url={"type": "str", "default": ""},
            timeout={"type": "int", "default": 60},
        )
    )
    names = ("serve_artifacts", "artifacts_destination", "default_artifact_root", "s3_endpoint_url", "s3_public_url")
    try:
        former = settings_of(read_environment_file(module.params["environment_file"]))
        wanted = Settings(*(module.params[name] for name in names))
        found = Database.from_options(module.run_command, module.params).artifacts(former and former._asdict(), wanted._asdict())
    except (MlflowDbError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
