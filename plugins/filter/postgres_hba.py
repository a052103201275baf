# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _postgres

DOCUMENTATION = r"""
name: postgres_hba
short_description: The text of a pg_hba.conf from rules
version_added: 1.0.0
description:
  - Writes the client rules of the role C(postgres). They are the whole file of a cluster that the role made.
  - In a cluster of others they are a marked block in front of what is there. It speaks of the role's databases and users alone, and nobody else's
    rule opens these.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
positional: _input
options:
  _input:
    description: The rules, with O(_input[].type), C(database), C(user), C(address), C(method) and C(options); empty is text without it.
    type: list
    elements: dict
    required: true
  header:
    description: The comment at the top of an own file.
    type: str
    required: true
  databases:
    description: The databases of the role, with C(name) and C(owner).
    type: list
    elements: dict
    required: true
  users:
    description: The names of the users of the role.
    type: list
    elements: str
    required: true
  own:
    description: Whether the cluster has nobody's rules but these.
    type: bool
    required: true
  others:
    description: The text of the file without the block.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the client rules
  ansible.builtin.debug:
    msg: "{{ rules | mlops.mlflow.postgres_hba(header='# managed', databases=databases, users=['app'], own=true, others='') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""


def postgres_hba(rules: list[_postgres.Rule], header: str, databases: list[dict[str, t.Any]], users: list[str], own: bool, others: str) -> str:
    names, owners = [database["name"] for database in databases], sorted({database["owner"] for database in databases})
    return _postgres.hba_text(header, _postgres.hba_lines(rules, names, owners, users, own), own, others)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"postgres_hba": postgres_hba}
