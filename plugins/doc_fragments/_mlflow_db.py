# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backend_store_uri:
    description:
      - URI of the database, as MLflow takes it, with its driver named. Special characters in user and password are percent-encoded.
      - Known are V(postgresql+psycopg2://), V(postgresql+psycopg://), V(mysql+pymysql://), V(mssql+pymssql://) and V(sqlite:////absolute/path).
      - The URI reaches the database driver over standard input. It is never in the arguments of a process, and its password is
        removed from every error text.
    type: str
    required: true
  component:
    description:
      - Which schema the database holds. The model registry has the schema V(tracking).
    type: str
    choices: [tracking, auth]
    default: tracking
  virtualenv:
    description: Folder of the virtual environment with the MLflow whose schema is wanted, and with the driver that the URI names.
    type: path
    required: true
requirements:
  - Python 3.9 or newer
  - MLflow 2.22 or newer in O(virtualenv)
notes:
  - A SQLite file that an upgrade creates belongs to the owner of its folder.
"""
