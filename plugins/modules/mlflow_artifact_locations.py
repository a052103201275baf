#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_artifact_locations
short_description: Let the places of artifacts in an MLflow database begin in another way
version_added: 1.0.0
description:
  - Concerns experiments, runs, logged models, model versions, traces and workspaces, all of them in one transaction. What begins in another way stays.
  - The files themselves are moved by M(mlops.mlflow.mlflow_artifact_copy), or by you.
  - Stop the server first, and save its database, as M(mlops.mlflow.mlflow_restore_point) does.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_limits
options:
  locations:
    description:
      - For each beginning of a place the one that takes its place, such as C(s3://old-bucket) and C(mlflow-artifacts:/). Of several that fit, the longest
        counts.
      - Only whole parts of a path are compared.
    type: dict
    required: true
  timeout:
    default: 3600
seealso:
  - module: mlops.mlflow.mlflow_artifact_info
"""

EXAMPLES = r"""
- name: Let MLflow pass on what clients have brought to the store themselves
  mlops.mlflow.mlflow_artifact_locations:
    login_host: db.example.org
    login_user: mlflow
    login_password: "{{ mlflow_db_password }}"
    login_db: mlflow
    virtualenv: /opt/mlflow/current
    locations:
      s3://mlflow: mlflow-artifacts:/
"""

RETURN = r"""
rows:
  description: How many rows of each column begin in another way now, or would in check mode.
  returned: success
  type: dict
  sample: {experiments.artifact_location: 3, runs.artifact_uri: 412}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import LIMITS, Database, module_arguments
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            locations={"type": "dict", "required": True},
            timeout={"type": "int", "default": 3600},
            **LIMITS,
        )
    )
    asked = module.params
    try:
        database = Database.from_options(module.run_command, asked)
        rows = database.relocate(asked["locations"], asked["lock_timeout"], asked["wait_timeout"], only_check=module.check_mode)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    lines = {name: f"{name}: {number} rows" for name, number in rows.items()}
    before, after = ("".join(f"{line} begin with {what}\n" for line in lines.values()) for what in (", ".join(asked["locations"]), "the new places"))
    module.exit_json(changed=bool(rows), rows=rows, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
