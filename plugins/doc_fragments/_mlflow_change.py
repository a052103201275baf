# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backend_store_uris:
    description:
      - URIs of the tracking database and, where it is another one, of the model registry's, as M(mlops.mlflow.mlflow_db_upgrade) takes them.
      - All databases of the server are saved, and come back together.
    type: list
    elements: str
    required: true
  auth_database_uri:
    description: URI of the database of the login application, where one is used.
    type: str
  auth_component:
    description: Which schema that database holds, as in M(mlops.mlflow.mlflow_db_upgrade).
    type: str
    choices: [auth, oidc]
    default: auth
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
    description: Where M(mlops.mlflow.mlflow_service) keeps O(files) of the server that was seen to serve.
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
