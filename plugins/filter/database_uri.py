# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError, uri_from_parts

DOCUMENTATION = r"""
name: database_uri
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: The URI of a database from its parts
description:
  - Writes the URI that MLflow takes. User and password may hold any character, they are encoded.
  - A URI stays as it is.
positional: _input
options:
  _input:
    description:
      - The parts C(name), and, where needed, C(driver), C(host), C(port), C(user), C(password) and C(tls), as in the variable
        C(mlflow_server_database).
    type: raw
    required: true
  ca_file:
    description:
      - Where the client has the authorities that the server's certificate is checked with. It is used with C(tls) V(verify-ca) and V(verify-full), which
        is the default of C(tls) with a O(ca_file).
      - Without it they are those that Debian trusts.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Let MLflow know its database
  ansible.builtin.set_fact:
    mlflow_uri: "{{ {'host': 'db.example.org', 'name': 'mlflow', 'user': 'mlflow', 'password': 'p@ss/word', 'tls': 'require'} | mlops.mlflow.database_uri }}"
    # postgresql+psycopg2://mlflow:p%40ss%2Fword@db.example.org/mlflow?sslmode=require
  no_log: true
"""

RETURN = r"""
_value:
  description: The URI, with the password in it.
  type: str
"""


def database_uri(database: str | dict[str, t.Any], ca_file: str = "") -> str:
    """Write the URI of a database, or say without a secret why there is none."""
    if isinstance(database, str):
        return database
    try:
        return uri_from_parts(database, ca_file)
    except MlflowDbError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """Addresses from their parts."""

    def filters(self) -> dict[str, object]:
        return {"database_uri": database_uri}
