#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_upgrade
short_description: Bring an MLflow server and its databases to another version, with a way back
version_added: 1.0.0
description:
  - Stops the server, saves a restore point, runs the migrations, moves the link O(current) to the new version, starts that and sees that it serves.
  - Whatever fails, the databases and O(files) of the restore point come back, and the former version serves. The error says what failed.
  - A systemd unit does the work, so that it goes on when the run of Ansible dies. After a kill of it, or a power failure, systemd starts it again,
    also at boot. It ends the upgrade, or undoes it where the migrations were broken off.
  - Does nothing when no revision is pending. Refuses what M(mlops.mlflow.mlflow_db_upgrade) refuses, before the server is stopped.
  - Should the new version have served for a while before it failed, what is in the databases then is saved into the restore point before they go back.
  - Stop the servers of other hosts that use the same databases first.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_service
  - mlops.mlflow._mlflow_change
options:
  state:
    description:
      - V(upgraded) is a server with databases at the newest revision.
      - V(settled) only waits for a change that an earlier run has begun, until it is ended or undone.
    type: str
    choices: [upgraded, settled]
    default: upgraded
  current:
    description: The link to the virtual environment that the units run. It is moved to O(virtualenv).
    type: path
    required: true
  rehearsal_database:
    description:
      - Name of an empty PostgreSQL database on the server of the first of O(backend_store_uris), with the same owner. A copy of that is upgraded in it first,
        while the server serves; then it is emptied again. A copy that cannot be upgraded ends the upgrade before the server is stopped.
      - It needs room on that server for a second database, and below O(restore_dir) for its backup.
    type: str
  rehearsal_limit_mb:
    description: Size of the database in MB above which there is no rehearsal.
    type: int
    default: 2000
seealso:
  - module: mlops.mlflow.mlflow_rollback
  - module: mlops.mlflow.mlflow_db_upgrade
  - module: mlops.mlflow.mlflow_service
"""

EXAMPLES = r"""
- name: Bring the server to MLflow 3.17.2
  mlops.mlflow.mlflow_upgrade:
    backend_store_uris:
      - postgresql+psycopg2://mlflow:{{ mlflow_password | urlencode }}@db.example.org/mlflow
    virtualenv: /opt/mlflow/venvs/3.17.2
    current: /opt/mlflow/current
    version: 3.17.2
    restore_dir: /var/backups/mlflow
    units:
      - name: mlflow.service
        port: 5000
    files: [/etc/systemd/system/mlflow.service, /etc/mlflow/mlflow.env, /opt/mlflow/current]
    kept_file: /etc/mlflow/mlflow.proven.tar
    environment_files: [/etc/mlflow/mlflow.env]
"""

RETURN = r"""
restore_point:
  description: Folder of the restore point.
  returned: when one was made and kept, also when the upgrade failed
  type: str
  sample: /var/backups/mlflow/20261129T103000Z-3.12.0-to-3.17.2
down_seconds:
  description: How long the server was down.
  returned: when it was stopped
  type: float
  sample: 9.4
seconds:
  description: Seconds that each step took.
  returned: when the server was upgraded
  type: dict
  sample: {stop: 1.2, save: 1.9, change: 2.1, switch: 0.1, start: 4.1}
rehearsal:
  description: Seconds that the copy and its upgrade took in the rehearsal.
  returned: when there was one
  type: dict
  sample: {copy_seconds: 1.9, upgrade_seconds: 5.2}
pending:
  description: For each database what was missing, in the order in which it ran or, in check mode, would run.
  returned: success with O(state=upgraded)
  type: dict
  sample: {tracking: [{revision: dc11669786a5, title: add label schemas}]}
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_unit import ARGUMENTS, Unit
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import revision_diff
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import new_name
from ansible_collections.mlops.mlflow.plugins.module_utils._systemd import SystemdError


def settle(module: AnsibleModule, unit: Unit) -> dict[str, t.Any]:
    changed = unit.is_open()
    if changed and not module.check_mode:
        unit.make_folder()
        result = unit.finish()
        if not result["closed"]:
            raise MlflowDbError(unit.failure(result))
    return {"changed": changed, "diff": {"before": f"{unit.name} is not over\n" if changed else "", "after": ""}}


def upgrade(module: AnsibleModule, unit: Unit) -> dict[str, t.Any]:
    asked = module.params
    if unit.is_open():
        raise MlflowDbError(f"{unit.name} is not over, which an earlier run has begun. Wait for its end by state: settled")
    infos = {name: database.info(upgrade=True, backup_dir=asked["restore_dir"]) for name, database in unit.databases.items() if name != "tracking"}
    place = asked["rehearsal_database"] or None
    infos["tracking"] = unit.databases["tracking"].info(upgrade=True, backup_dir=asked["restore_dir"], rehearsal=bool(place), rehearsal_database=place)
    empty = [unit.databases[name].uri.place for name, info in infos.items() if info["state"] == "empty"]
    if empty:
        raise MlflowDbError(f"{', '.join(empty)} is empty: make its tables by mlflow_db_upgrade, there is nothing to go back to")
    pending = {name: info["pending"] for name, info in infos.items()}
    changed = any(pending.values())
    diffs = [revision_diff(info, bool(info["pending"])) for info in infos.values()]
    result: dict[str, t.Any] = {"changed": changed, "pending": pending}
    result["diff"] = {key: "".join(diff[key] for diff in diffs) for key in ("before", "after")}
    if changed and not module.check_mode:
        unit.make_folder()
        if place and infos["tracking"]["bytes"] <= asked["rehearsal_limit_mb"] << 20 and pending["tracking"]:
            limits = {name: asked[name] for name in ("lock_timeout", "wait_timeout")}
            result["rehearsal"] = unit.databases["tracking"].rehearse(database=place, folder=unit.folder, **limits)
        former = unit.former_version()
        target = asked["version"] or next(iter(infos.values()))["mlflow_version"]
        facts = {"kind": "upgrade", "mlflow_version": former, "target_version": target}
        wanted = {name: {"wanted": info["head_revision"]} for name, info in infos.items()}
        link = {"link": asked["current"], "target": os.path.relpath(asked["virtualenv"], os.path.dirname(asked["current"]))}
        done = unit.run(new_name(former, target), facts, wanted, **link)
        if not done["done"]:
            module.fail_json(msg=unit.failure(done), **{key: done[key] for key in ("restore_point", "down_seconds") if done.get(key)})
        result.update({key: done[key] for key in ("restore_point", "down_seconds", "seconds")})
    return result


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["upgraded", "settled"], "default": "upgraded"},
            "current": {"type": "path", "required": True},
            "rehearsal_database": {"type": "str"},
            "rehearsal_limit_mb": {"type": "int", "default": 2000},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        unit = Unit(module)
        result = settle(module, unit) if module.params["state"] == "settled" else upgrade(module, unit)
    except (MlflowDbError, SystemdError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
