#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_restore_point
short_description: Save the databases of an MLflow server as they are now
version_added: 1.0.0
description:
  - Makes a restore point as M(mlops.mlflow.mlflow_upgrade) does, and changes nothing else. M(mlops.mlflow.mlflow_rollback) goes back to it.
  - Each backup is read again to its end. What fails leaves no restore point.
  - Stop the server first, so that nothing is written afterwards.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_service
  - mlops.mlflow._mlflow_change
options:
  version:
    description: Not used. The restore point is of the version that was seen to serve.
  keep:
    description: Not used. All restore points stay.
attributes:
  idempotent:
    support: none
    details:
      - A new restore point is made each time.
seealso:
  - module: mlops.mlflow.mlflow_rollback
  - module: mlops.mlflow.mlflow_restore_point_info
"""

EXAMPLES = r"""
- name: Save the databases
  mlops.mlflow.mlflow_restore_point:
    backend_store_uris:
      - postgresql+psycopg2://mlflow:{{ mlflow_password | urlencode }}@db.example.org/mlflow
    virtualenv: /opt/mlflow/current
    restore_dir: /var/backups/mlflow
    units:
      - name: mlflow.service
    files: [/etc/systemd/system/mlflow.service, /etc/mlflow/mlflow.env, /opt/mlflow/current]
    kept_file: /etc/mlflow/mlflow.proven.tar
    environment_files: [/etc/mlflow/mlflow.env]
"""

RETURN = r"""
restore_point:
  description: Folder of the restore point.
  returned: success, outside check mode
  type: str
  sample: /var/backups/mlflow/20261129T103000Z-3.17.2-to-3.17.2
"""

import os
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_parts import FILES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_unit import ARGUMENTS, Unit
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import RestorePoint, new_name


def save(unit: Unit, asked: dict[str, t.Any]) -> str:
    version = unit.former_version()
    unit.make_folder()
    point = RestorePoint(unit.folder, new_name(version, version)).create()
    try:
        databases = [database.save(name, point.path, asked["lock_timeout"]) for name, database in unit.databases.items()]
        if os.path.exists(asked["kept_file"]):
            shutil.copyfile(asked["kept_file"], point.file(FILES))
        point.seal(kind="save", mlflow_version=version, target_version=version, databases=databases)
    except BaseException:
        point.remove()
        raise
    return point.path


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        unit = Unit(module)
        if unit.is_open():
            raise MlflowDbError(f"{unit.name} is not over, which an earlier run has begun. Wait for its end by mlflow_upgrade with state: settled")
        result = {} if module.check_mode else {"restore_point": save(unit, module.params)}
    except (MlflowDbError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
