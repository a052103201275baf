#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_db_info
short_description: Say whether the database of an MLflow server fits an MLflow version
version_added: 1.0.0
description:
  - Compares the revision of a tracking, model registry or auth database with the newest one of an MLflow installation. Changes nothing.
  - MLflow itself is not imported, so that the answer takes less than a second.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
attributes:
  diff_mode:
    support: N/A
options:
  timeout:
    description: Seconds until the module gives up. V(0) waits without limit.
    type: int
    default: 60
seealso:
  - module: mlops.mlflow.mlflow_db_upgrade
"""

EXAMPLES = r"""
- name: See what an upgrade to MLflow 3.17.2 would do
  mlops.mlflow.mlflow_db_info:
    login_host: db.example.org
    login_user: mlflow
    login_password: "{{ mlflow_db_password }}"
    login_db: mlflow
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/ca-certificates.crt
    virtualenv: /opt/mlflow/venvs/3.17.2
  register: mlflow_database

- name: List the pending revisions
  ansible.builtin.debug:
    var: mlflow_database.pending
"""

RETURN = r"""
state:
  description:
    - V(empty) has no tables, V(current) is at the newest revision, V(behind) can be upgraded.
    - V(ahead) has MLflow's tables and a revision that this MLflow does not know, V(foreign) is not an MLflow database of this component,
      or has several revisions at once.
  returned: success
  type: str
  sample: behind
current_revision:
  description: Revision of the database, null when it has none. Several are separated by commas.
  returned: success
  type: str
  sample: 7d34483879f0
head_revision:
  description: Newest revision of the MLflow in O(virtualenv) or O(python).
  returned: success
  type: str
  sample: dc11669786a5
pending:
  description: What is missing, in the order in which an upgrade would run it.
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
dialect:
  description: Kind of the database.
  returned: success
  type: str
  sample: postgresql
server_version:
  description: Version of the database server, or of the SQLite library. Null for a SQLite file that does not exist yet.
  returned: success
  type: str
  sample: "17.6"
max_connections:
  description: How many connections the server accepts. Null where there is no such limit.
  returned: success
  type: int
  sample: 100
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import Database, module_arguments
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(**module_arguments(timeout={"type": "int", "default": 60}))
    try:
        info = Database.from_options(module.run_command, module.params).info()
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **info)


if __name__ == "__main__":
    main()
