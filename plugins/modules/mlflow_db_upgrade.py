#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_db_upgrade
short_description: Bring the database of an MLflow server to the schema of an MLflow version
version_added: 1.0.0
description:
  - Runs the migrations of an MLflow installation on a tracking, model registry or auth database, and fills an empty one.
  - Refuses a database that is newer than this MLflow, and one that is not MLflow's.
  - Upgraders exclude each other by a lock in the database, so that it does not matter on how many hosts the module runs.
  - Takes no backup. Stop the servers and save the database first.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
options:
  lock_timeout:
    description:
      - Seconds that a migration waits for a table which another session uses. Without the limit an idle transaction blocks an
        upgrade, and the upgrade everybody else, for ever.
    type: int
    default: 30
  wait_timeout:
    description: Seconds to wait for another upgrade of the same database to end.
    type: int
    default: 300
  timeout:
    description: Seconds until the upgrade is stopped. V(0) waits without limit.
    type: int
    default: 0
seealso:
  - module: mlops.mlflow.mlflow_db_info
"""

EXAMPLES = r"""
- name: Bring the tracking database to the schema of MLflow 3.17.2
  mlops.mlflow.mlflow_db_upgrade:
    backend_store_uri: "postgresql+psycopg2://mlflow:{{ mlflow_password | urlencode }}@db.example.org/mlflow"
    virtualenv: /opt/mlflow/venvs/3.17.2
  run_once: true
"""

RETURN = r"""
state:
  description:
    - What the module found before it changed anything, the same in check mode and without it.
    - V(empty) had no tables, V(current) was at the newest revision, V(behind) was not.
  returned: success
  type: str
  sample: behind
current_revision:
  description: Revision that the module found, null when there was none.
  returned: success
  type: str
  sample: 7d34483879f0
head_revision:
  description: Newest revision of the MLflow in O(virtualenv), and that of the database after a run without check mode.
  returned: success
  type: str
  sample: dc11669786a5
pending:
  description: What was missing, in the order in which it ran or, in check mode, would run.
  returned: success
  type: list
  elements: dict
  contains:
    revision:
      description: Name of the revision.
      type: str
    title:
      description: What it is about.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import Database, MlflowDbError, argument_spec, revision_diff


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "lock_timeout": {"type": "int", "default": 30},
            "wait_timeout": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    options = dict(module.params)
    limits = {name: options.pop(name) for name in ("lock_timeout", "wait_timeout")}
    try:
        database = Database(module.run_command, **options)
        info = database.info()
        database.refuse_unknown(info)
        changed = bool(info["pending"])
        if changed and not module.check_mode:
            changed = database.upgrade(**limits)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    result = {key: info[key] for key in ("state", "current_revision", "head_revision", "pending")}
    module.exit_json(changed=changed, diff=revision_diff(info, changed), **result)


if __name__ == "__main__":
    main()
