#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_db_restore
short_description: Bring the database of an MLflow server back to a backup
version_added: 1.0.0
description:
  - Puts what M(mlops.mlflow.mlflow_db_upgrade) has saved with its O(mlops.mlflow.mlflow_db_upgrade#module:backup) in the place of all that is in the
    database. What was written since then is lost, so that the module changes something each time it runs.
  - Needs only the rights of the owner of the tables. The database itself, its settings and its users stay, and what only an administrator can make in
    it, such as extensions, event triggers and publications. A table that was named in a publication has to be added to it again.
  - PostgreSQL does it in one transaction. When something fails, the database is as it was before. So it is with SQLite.
    MySQL and MariaDB cannot undo a restore that was broken off; it can be run again.
  - What others made that depends on MLflow's tables, such as a view in another schema, makes it fail and stays.
  - Stop the MLflow servers of the database first.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_limits
options:
  backup:
    description:
      - File on the host with the backup.
      - C(pg_restore) and C(psql), or C(mariadb) or C(mysql), must be on the host, in a version that can read it.
    type: path
    required: true
  timeout:
    default: 0
seealso:
  - module: mlops.mlflow.mlflow_db_upgrade
  - module: mlops.mlflow.mlflow_db_info
"""

EXAMPLES = r"""
- name: Go back to the backup from before an upgrade
  mlops.mlflow.mlflow_db_restore:
    login_host: db.example.org
    login_db: mlflow
    login_user: mlflow
    login_password: "{{ mlflow_password }}"
    virtualenv: /opt/mlflow/venvs/3.12.0
    backup: /var/backups/mlflow/mlflow-7d34483879f0-20261121T170000Z.dump
  run_once: true
"""

RETURN = r"""
former_revision:
  description: Revision of the schema before, null when there was none.
  returned: success
  type: str
  sample: dc11669786a5
current_revision:
  description: Revision of the schema after it. In check mode what is there still.
  returned: success
  type: str
  sample: 7d34483879f0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import LIMITS, Database, module_arguments
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            backup={"type": "path", "required": True},
            timeout={"type": "int", "default": 0},
            **LIMITS,
        )
    )
    options = module.params
    limits = {name: options[name] for name in ("lock_timeout", "wait_timeout")}
    try:
        former, current = Database.from_options(module.run_command, options).restore(options["backup"], only_check=module.check_mode, **limits)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    diff = {"before": f"revision: {former or 'none'}\n", "after": f"content of {options['backup']}\n"}
    module.exit_json(changed=True, diff=diff, former_revision=former, current_revision=current)


if __name__ == "__main__":
    main()
