#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_restore_point_info
short_description: List the restore points of an MLflow server
version_added: 1.0.0
description:
  - Tells to which moments M(mlops.mlflow.mlflow_rollback) could go back.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  restore_dir:
    description: Folder of the restore points. One that is not there has none.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: List the restore points
  mlops.mlflow.mlflow_restore_point_info:
    restore_dir: /var/backups/mlflow
  register: mlflow_restore_points
"""

RETURN = r"""
restore_points:
  description: The restore points, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of it.
      type: str
      sample: 20261129T103000Z-3.12.0-to-3.17.2
    problem:
      description: Why it is of no use, such as that it was never finished. Null when its manifest is whole; files are not read.
      type: str
      sample: null
    created:
      description: When it was finished, in UTC.
      type: str
      sample: "2026-11-29T10:30:04Z"
    mlflow_version:
      description: Version of MLflow that served.
      type: str
      sample: 3.12.0
    bytes:
      description: Size of all its files.
      type: int
      sample: 48211034
    databases:
      description: Its databases.
      type: list
      elements: dict
      contains:
        name:
          description: What it was for, such as V(tracking).
          type: str
        place:
          description: Where it is.
          type: str
        revision:
          description: Revision of its schema.
          type: str
        rows:
          description: Number of rows in all its tables.
          type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import restore_points


def shown(point: dict[str, t.Any]) -> dict[str, t.Any]:
    manifest = point["manifest"] or {"created": None, "mlflow_version": None, "files": [], "databases": []}
    return {
        "name": point["name"],
        "problem": point["problem"],
        "created": manifest["created"],
        "mlflow_version": manifest["mlflow_version"],
        "bytes": sum(file["bytes"] for file in manifest["files"]),
        "databases": [{**{key: one[key] for key in ("name", "place", "revision")}, "rows": sum(one["counts"].values())} for one in manifest["databases"]],
    }


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"restore_dir": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        found = restore_points(module.params["restore_dir"])
    except OSError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, restore_points=[shown(point) for point in found])


if __name__ == "__main__":
    main()
