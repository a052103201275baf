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
  - PostgreSQL runs all pending migrations in one transaction. MySQL, MariaDB and SQLite cannot undo one that was broken off, so that
    O(backup) is what helps there.
  - Stop the MLflow servers of the database first. An older server does not work with a newer schema.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_limits
options:
  backup:
    description:
      - Folder on the host that gets a backup before anything is changed, or V(none). A folder that does not exist is made, for its owner only.
      - The backup is C(pg_dump)'s custom format for PostgreSQL, the SQL text of C(mariadb-dump) or C(mysqldump) for MySQL and MariaDB, and a file
        by the online backup of SQLite. Other databases have none. The tools must be on the host.
      - Of several C(pg_dump) the oldest that is not older than the server is taken. What a newer one writes only its own C(pg_restore) can read.
      - It is read again before the upgrade begins. Less free space than the size of the database is refused.
      - There is no backup when nothing is pending, or when the database is empty.
    type: path
    default: none
  rehearsal:
    description:
      - With V(first) and V(only) a copy of the database is upgraded, and dropped. V(first) goes on with the database itself if that went well.
      - PostgreSQL copies by template, which needs the right C(CREATEDB), a connection to the database C(postgres), and that nobody else uses the
        database. SQLite needs space for the copy beside the file. Others cannot rehearse.
      - Does nothing in check mode, when nothing is pending, and for an empty database.
    type: str
    choices: [none, first, only]
    default: none
  wait_timeout:
    description: Seconds to wait for another upgrade of the same database to end, and for its users to leave before a rehearsal.
  timeout:
    description: Seconds until the module is stopped, with backup and rehearsal. V(0) waits without limit.
    default: 0
seealso:
  - module: mlops.mlflow.mlflow_db_info
"""

EXAMPLES = r"""
- name: Bring the tracking database to the schema of MLflow 3.17.2
  mlops.mlflow.mlflow_db_upgrade:
    login_host: db.example.org
    login_db: mlflow
    login_user: mlflow
    login_password: "{{ mlflow_password }}"
    virtualenv: /opt/mlflow/venvs/3.17.2
    backup: /var/backups/mlflow
  run_once: true

- name: See how long the upgrade of a SQLite file would take
  mlops.mlflow.mlflow_db_upgrade:
    driver: sqlite
    login_db: /var/lib/mlflow/mlflow.db
    python: /opt/mlflow/venvs/3.17.2/bin/python
    rehearsal: only
  register: mlflow_rehearsal
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
  description: Newest revision of this MLflow, and that of the database after an upgrade.
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
mlflow_version:
  description: Version of the MLflow whose schema is wanted.
  returned: success
  type: str
  sample: 3.17.2
backup_file:
  description: The backup.
  returned: when one was made, also if the upgrade failed after it
  type: str
  sample: /var/backups/mlflow/mlflow-7d34483879f0-20261121T170000Z.dump
rehearsal:
  description: How the rehearsal went.
  returned: when there was one
  type: dict
  contains:
    copy_seconds:
      description: Seconds that the copy took.
      type: float
    upgrade_seconds:
      description: Seconds that the migrations took, with the start of MLflow.
      type: float
  sample: {copy_seconds: 2.1, upgrade_seconds: 9.4}
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import LIMITS, Database, module_arguments, revision_diff
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            backup={"type": "path", "default": "none"},
            rehearsal={"type": "str", "choices": ["none", "first", "only"], "default": "none"},
            timeout={"type": "int", "default": 0},
            **LIMITS,
        )
    )
    options = module.params
    limits = {name: options[name] for name in ("lock_timeout", "wait_timeout")}
    folder = None if options["backup"] == "none" else options["backup"]
    if folder and not os.path.isabs(folder):
        module.fail_json(msg=f"backup must be an absolute path or none, not {folder}")
    result = {}
    backup_file = None
    try:
        database = Database.from_options(module.run_command, options)
        info = database.info(upgrade=True, backup_dir=folder, rehearsal=options["rehearsal"] != "none")
        result.update({key: info[key] for key in ("state", "current_revision", "head_revision", "pending", "mlflow_version")})
        if options["rehearsal"] != "none" and info["state"] == "behind" and not module.check_mode:
            result["rehearsal"] = database.rehearse(**limits)
        changed = bool(info["pending"]) and options["rehearsal"] != "only"
        if changed and not module.check_mode:
            if folder and info["state"] == "behind":
                backup_file = database.backup_file(folder, info)
            changed = database.upgrade(info, backup_file=backup_file, **limits)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc), **with_backup(result, backup_file))
    module.exit_json(changed=changed, diff=revision_diff(info, changed), **with_backup(result, backup_file))


def with_backup(result: dict, backup_file: str | None) -> dict:
    # Another upgrader may have been faster, and then there was nothing to save.
    return {**result, "backup_file": backup_file} if backup_file and os.path.exists(backup_file) else result


if __name__ == "__main__":
    main()
