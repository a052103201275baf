#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_sqlite_import
short_description: Bring what is in a SQLite file or a folder of MLflow to PostgreSQL
version_added: 1.0.0
description:
  - Copies the file, brings the copy to the schema of an MLflow version, lets MLflow make the same schema in an empty PostgreSQL database, and copies all
    rows in one transaction. It is committed when every table has the same number of rows and the same content on both sides, all foreign keys hold
    again, and sequences are behind the numbers that are taken.
  - The file itself is only read, and must not change meanwhile. When anything fails, the database is as it was before.
  - PostgreSQL is stricter than SQLite. What it would not take is found before the database is touched, and told row by row in RV(findings).
    Without a choice in O(orphans), O(invalid_text) or O(large_experiments) nothing is imported then.
  - When the content is there already, nothing changes. A database with any other content is refused, but for what a first start of MLflow makes.
  - The file may be older than the MLflow of O(virtualenv). One that is newer is refused.
  - Stop the MLflow server of the file first, and those of the database. Processes of other machines that use the file over a network cannot be seen.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_limits
options:
  source:
    description:
      - The SQLite file on the host, or a folder C(mlruns), of which C(mlflow migrate-filestore) (MLflow 3.10 and newer) makes a SQLite file first.
      - What that command would leave out of a folder, because it cannot be read, makes the import fail.
    type: path
    required: true
  orphans:
    description:
      - What to do with rows that refer to others which are not there. SQLite lets them be, PostgreSQL does not.
      - V(refuse) imports nothing, V(drop) leaves them out, V(keep_aside) writes them to O(aside) and leaves them out.
    type: str
    choices: [refuse, drop, keep_aside]
    default: refuse
  aside:
    description: SQLite file on the host that is made for the rows that O(orphans=keep_aside) leaves out. It must not exist when there are any.
    type: path
  invalid_text:
    description:
      - What to do with text that PostgreSQL cannot hold, which is invalid UTF-8, NUL characters, and C(NaN) or C(Infinity) in JSON.
      - V(refuse) imports nothing. V(replace) puts the character U+FFFD in the place of what is invalid, and C(null) in that of a number.
    type: str
    choices: [refuse, replace]
    default: refuse
  large_experiments:
    description:
      - What to do with experiments whose number is greater than PostgreSQL's columns can hold, as a folder C(mlruns) has them, and a SQLite file that
        C(mlflow migrate-filestore) has made of one.
      - V(refuse) imports nothing. V(renumber) gives them the next numbers that are free, in the order in which they were made, wherever they stand.
        RV(findings) has both numbers. Artifact locations stay.
    type: str
    choices: [refuse, renumber]
    default: refuse
  artifact_roots:
    description:
      - For each beginning of an artifact location the one that takes its place, such as C(/srv/mlruns) and C(mlflow-artifacts:/).
      - Concerns experiments, runs, logged models, model versions, traces and workspaces. What begins in another way stays as it is.
      - The files themselves have to be moved, too.
    type: dict
  work_dir:
    description:
      - Folder on the host for a copy of the file, with twice its size free. The copy is removed at the end.
      - Without it the folder of O(source).
    type: path
  timeout:
    default: 0
seealso:
  - module: mlops.mlflow.mlflow_db_upgrade
"""

EXAMPLES = r"""
- name: See what PostgreSQL would not take
  mlops.mlflow.mlflow_sqlite_import:
    source: /home/mlflow/mlflow.db
    login_host: db.example.org
    login_db: mlflow
    login_user: mlflow
    login_password: "{{ mlflow_password }}"
    virtualenv: /opt/mlflow/venvs/3.17.2
  check_mode: true
  register: mlflow_import
  failed_when: mlflow_import is failed and mlflow_import.findings is not defined

- name: Bring a server that was started by hand to PostgreSQL, its artifacts to the artifact proxy
  mlops.mlflow.mlflow_sqlite_import:
    source: /home/mlflow/mlflow.db
    login_host: db.example.org
    login_db: mlflow
    login_user: mlflow
    login_password: "{{ mlflow_password }}"
    virtualenv: /opt/mlflow/venvs/3.17.2
    orphans: keep_aside
    aside: /var/backups/mlflow/orphans.db
    artifact_roots:
      /home/mlflow/mlruns: mlflow-artifacts:/
"""

RETURN = r"""
source_revision:
  description: Revision of the file.
  returned: when the file is one of MLflow
  type: str
  sample: 7d34483879f0
current_revision:
  description: Revision of the database after it.
  returned: when the file is one of MLflow
  type: str
  sample: dc11669786a5
mlflow_version:
  description: Version of the MLflow whose schema is wanted.
  returned: when the file is one of MLflow
  type: str
  sample: 3.17.2
findings:
  description: What PostgreSQL would not take as it is, the first 1000.
  returned: when the file could be examined, also if the import failed
  type: list
  elements: dict
  contains:
    table:
      description: The table.
      type: str
    key:
      description: The primary key of the row, its values cut after 100 characters.
      type: dict
    column:
      description: The column, null when it is about the row.
      type: str
    problem:
      description: What is wrong.
      type: str
    action:
      description: What was done about it, V(refused), V(left out), V(kept aside), V(replaced) or V(renumbered).
      type: str
  sample:
    - {table: tags, key: {key: owner, run_uuid: 0f5e}, column: null, problem: refers to a row of runs that is not there, action: refused}
findings_total:
  description: How many there are.
  returned: when the file could be examined, also if the import failed
  type: int
  sample: 1
tables:
  description: What is in the database afterwards.
  returned: when the file could be examined, also if the import failed
  type: list
  elements: dict
  contains:
    name:
      description: The table.
      type: str
    rows:
      description: How many rows it has. In check mode or after a failure those of the file.
      type: int
    hash:
      description: A word for the content of all rows, the same for both sides. Not in check mode.
      type: str
artifact_roots:
  description: Where the artifacts of the experiments are, after O(artifact_roots), each without its last part.
  returned: when the file could be examined, also if the import failed
  type: list
  elements: str
  sample: ["mlflow-artifacts:"]
artifacts_moved:
  description: How many locations begin in another way now.
  returned: when the file could be examined, also if the import failed
  type: int
  sample: 312
seconds:
  description: How long all of it took.
  returned: always
  type: float
  sample: 12.4
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import LIMITS, module_arguments
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError
from ansible_collections.mlops.mlflow.plugins.module_utils._sqlite_import import Import


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            source={"type": "path", "required": True},
            orphans={"type": "str", "choices": ["refuse", "drop", "keep_aside"], "default": "refuse"},
            aside={"type": "path"},
            invalid_text={"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
            large_experiments={"type": "str", "choices": ["refuse", "renumber"], "default": "refuse"},
            artifact_roots={"type": "dict"},
            work_dir={"type": "path"},
            timeout={"type": "int", "default": 0},
            **LIMITS,
        )
    )
    result: dict[str, t.Any] = {}
    try:
        work = Import(module.run_command, module.params)
        result = work.result
        work.run(module.check_mode)
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc), **result)
    filled = "".join(f"{table['name']}: {table['rows']} rows\n" for table in result["tables"] if table["rows"])
    module.exit_json(diff={"before": "" if result["changed"] else filled, "after": filled}, **result)


if __name__ == "__main__":
    main()
