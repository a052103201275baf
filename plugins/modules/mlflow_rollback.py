#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_rollback
short_description: Bring an MLflow server and its databases back to a restore point
version_added: 1.0.0
description:
  - Stops the server, saves a restore point of what is there now, restores the databases and files of an earlier one, starts that server and sees that
    it serves. What was written since then is no longer in the databases, so that the module changes something each time it runs.
  - Whatever fails, databases and files come back as they were. A systemd unit does the work, as for M(mlops.mlflow.mlflow_upgrade).
  - Refuses a restore point that is damaged, of other databases, or whose virtual environment is gone, before the server is stopped.
  - Stop the servers of other hosts that use the same databases first.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_service
  - mlops.mlflow._mlflow_change
options:
  restore_point:
    description: Name of the restore point, see M(mlops.mlflow.mlflow_restore_point_info).
    type: str
    required: true
  version:
    description: Not used. The server of the restore point must answer with its own version.
  units:
    description: The units that run now. Those of the restore point come back with its files.
attributes:
  idempotent:
    support: none
    details:
      - Going back is done each time.
seealso:
  - module: mlops.mlflow.mlflow_upgrade
  - module: mlops.mlflow.mlflow_restore_point_info
"""

EXAMPLES = r"""
- name: Go back to the moment before the upgrade
  mlops.mlflow.mlflow_rollback:
    restore_point: 20261129T103000Z-3.12.0-to-3.17.2
    backend_store_uris:
      - postgresql+psycopg2://mlflow:{{ mlflow_password | urlencode }}@db.example.org/mlflow
    virtualenv: /opt/mlflow/venvs/3.17.2
    restore_dir: /var/backups/mlflow
    units:
      - name: mlflow.service
    files: [/etc/systemd/system/mlflow.service, /etc/mlflow/mlflow.env, /opt/mlflow/current]
    kept_file: /etc/mlflow/mlflow.proven.tar
    environment_files: [/etc/mlflow/mlflow.env]
"""

RETURN = r"""
saved:
  description: Folder of the restore point with what was there before.
  returned: when one was made and kept, also when the rollback failed
  type: str
  sample: /var/backups/mlflow/20261130T080000Z-3.17.2-to-3.12.0
mlflow_version:
  description: Version of MLflow that serves now, or would after check mode.
  returned: success
  type: str
  sample: 3.12.0
down_seconds:
  description: How long the server was down.
  returned: when it was stopped
  type: float
  sample: 8.1
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_parts import FILES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_unit import ARGUMENTS, Unit
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import KeptFiles
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import RestorePoint, RestorePointError, new_name
from ansible_collections.mlops.mlflow.plugins.module_utils._systemd import SystemdError


def checked(unit: Unit, point: RestorePoint, options: dict[str, t.Any]) -> dict[str, t.Any]:
    """The manifest of a restore point to which the server can go back."""
    manifest = point.load()
    places = {one["name"]: one["place"] for one in manifest["databases"]}
    wanted = {name: database.uri.place for name, database in unit.databases.items()}
    if places != wanted:
        raise RestorePointError(f"{point.path} is of the databases {describe(places)}, and the server has {describe(wanted)}")
    files = point.file(FILES)
    if not os.path.exists(files):
        raise RestorePointError(f"{point.path} has no files of a server, as none had served before: restore its databases by mlflow_db_restore")
    for path, target in KeptFiles(files, []).links().items():
        if not os.path.exists(os.path.join(os.path.dirname(path), target)):
            raise RestorePointError(f"MLflow {manifest['mlflow_version']} is not installed any more: {path} would lead to {target}. Install it there first")
    for one in manifest["databases"]:
        limits = {name: options[name] for name in ("lock_timeout", "wait_timeout")}
        unit.databases[one["name"]].restore(point.file(one["file"]), only_check=True, **limits)
    return manifest


def describe(places: dict[str, str]) -> str:
    return ", ".join(f"{name} ({place})" for name, place in sorted(places.items()))


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"restore_point": {"type": "str", "required": True}, **ARGUMENTS}, supports_check_mode=True)
    asked = module.params
    try:
        unit = Unit(module)
        if unit.is_open():
            raise MlflowDbError(f"{unit.name} is not over, which an earlier run has begun. Wait for its end by mlflow_upgrade with state: settled")
        point = RestorePoint(asked["restore_dir"], asked["restore_point"])
        manifest = checked(unit, point, asked)
        former, version = unit.former_version(), manifest["mlflow_version"]
        difference = {"before": f"MLflow {former}\n", "after": f"MLflow {version}, content of {point.path}\n"}
        result: dict[str, t.Any] = {}
        if not module.check_mode:
            wanted = {one["name"]: {"wanted": one["revision"], "dump": point.file(one["file"]), "counts": one["counts"]} for one in manifest["databases"]}
            facts = {"kind": "rollback", "mlflow_version": former, "target_version": version}
            done = unit.run(new_name(former, version), facts, wanted, files_to_restore=point.file(FILES))
            if done.get("restore_point"):
                result["saved"] = done["restore_point"]
            if done.get("down_seconds"):
                result["down_seconds"] = done["down_seconds"]
            if not done["done"]:
                module.fail_json(msg=unit.failure(done), **result)
    except (MlflowDbError, RestorePointError, SystemdError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=True, mlflow_version=version, diff=difference, **result)


if __name__ == "__main__":
    main()
