# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  databases:
    description: The databases of the server. All of them are saved, and come back together.
    type: list
    elements: dict
    required: true
    suboptions:
      backend_store_uri:
        description: URI of the database, as M(mlops.mlflow.mlflow_db_upgrade#module) takes it.
        type: str
        required: true
      component:
        description: V(tracking) is a tracking or model registry database, V(auth) that of MLflow's own login.
        type: str
        choices: [tracking, auth]
        default: tracking
  virtualenv:
    description: Folder of the virtual environment whose Python does the work.
    type: path
    required: true
  restore_dir:
    description:
      - Folder for the restore points, one folder in each, which root alone can read. Their names begin with the UTC time.
      - A restore point has a backup of each database, the files of the server, and C(manifest.json) with revisions, numbers of rows and checksums.
    type: path
    required: true
  keep:
    description: How many restore points are left after a change that went well, the newest ones. The one of this change is among them.
    type: int
    default: 3
  kept_file:
    description: Where M(mlops.mlflow.mlflow_service#module) keeps O(files) of the server that was seen to serve.
    type: path
    required: true
  lock_timeout:
    description: Seconds to wait for another session that uses a table, and for those of other servers to end.
    type: int
    default: 30
  wait_timeout:
    description: Seconds to wait for another upgrade of the same databases to end.
    type: int
    default: 300
  upgrade_timeout:
    description: Seconds until the change of the databases is stopped and undone. V(0) waits without limit.
    type: int
    default: 3600
requirements:
  - systemd
  - For PostgreSQL C(pg_dump), C(pg_restore) and C(psql), for MySQL and MariaDB their clients, in a version that is not older than the server.
"""
