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
  - MLflow itself is not imported, so that the answer takes less than a second. It is when keys are tried on stored secrets.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_keys
attributes:
  diff_mode:
    support: N/A
options:
  release:
    description:
      - Another MLflow than the one that is installed here, for what an upgrade to it would do - with its C(version), and for each component
        its revisions as a list of C(revision), C(parents) and C(title).
      - The collection has that of each version with a lock in C(roles/mlflow_server/files/locks/<version>/release.json).
    type: dict
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

- name: See it before that version is installed
  mlops.mlflow.mlflow_db_info:
    driver: sqlite
    login_db: /var/lib/mlflow/mlflow.db
    virtualenv: /opt/mlflow/current
    release: "{{ lookup('ansible.builtin.file', 'release.json') | from_json }}"

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
bytes:
  description: How much disk the database takes, in bytes. Null where the server does not say so.
  returned: success
  type: int
  sample: 48211034
max_connections:
  description: How many connections the server accepts. Null where there is no such limit.
  returned: success
  type: int
  sample: 100
secrets:
  description:
    - For each kind of secrets that MLflow stores encrypted, how many are C(stored), how many of them are C(readable) with the given keys, and how
      many with the C(former) ones alone.
    - Null when neither a key nor O(environment_file) is given, or the database has no tables of MLflow.
  returned: success
  type: dict
  sample: {gateway: {stored: 2, readable: 2, former: 0}, webhook: {stored: 0, readable: 0, former: 0}}
workspaces:
  description: How many workspaces there are besides C(default).
  returned: success
  type: int
former_secrets:
  description: How many secrets of all kinds the former keys alone can read.
  returned: success
  type: int
  sample: 0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import KEYS, Database, former_keys, module_arguments, server_keys
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            **KEYS,
            release={"type": "dict"},
            timeout={"type": "int", "default": 60},
        )
    )
    try:
        keys = {"keys": server_keys(module.params), "former_keys": former_keys(module.params)}
        info = Database.from_options(module.run_command, module.params).info(workspaces=True, **keys)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    former_secrets = sum(kind["former"] for kind in (info["secrets"] or {}).values())
    module.exit_json(changed=False, former_secrets=former_secrets, **info)


if __name__ == "__main__":
    main()
