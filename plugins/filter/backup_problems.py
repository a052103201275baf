# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._backup import places
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError, Uri, uri_from_parts

DOCUMENTATION = r"""
name: backup_problems
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What is wrong with databases and places of the role backup
description:
  - Looks at the words for databases, artifacts and destination, and says what to write instead. Nothing is asked of hosts or servers.
positional: _input
options:
  _input:
    description: C(databases), C(check_database), C(artifacts) and C(destination) as the variables C(backup_*) have them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a destination that is none
  ansible.builtin.assert:
    that: given | mlops.mlflow.backup_problems | length == 0
    fail_msg: "{{ given | mlops.mlflow.backup_problems | join(' ') }}"
"""

RETURN = r"""
_value:
  description: A sentence for each problem, without a secret.
  type: list
  elements: str
"""

KINDS = ("postgresql", "sqlite")


def database(name: str, given: t.Any) -> Uri | str:
    """The database, or what is wrong with it."""
    try:
        uri = Uri(given if isinstance(given, str) else uri_from_parts(given))
    except MlflowDbError as exc:
        return f"{name}: {exc}."
    return uri if uri.kind in KINDS else f"{name} is a database of {uri.kind}. Backups are made of {' and '.join(KINDS)}: save it with its own tools."


def place_of(uri: Uri) -> tuple[t.Any, ...]:
    return (uri.kind, uri.host, uri.query.get("host"), uri.port, uri.database)


def backup_problems(given: dict[str, t.Any]) -> list[str]:
    found = {f"backup_databases.{name}": database(f"backup_databases.{name}", value) for name, value in given["databases"].items()}
    problems = [] if "tracking" in given["databases"] else ["backup_databases needs tracking, the database with experiments and runs."]
    if given["check_database"]:
        scratch = database("backup_check_database", given["check_database"])
        found["backup_check_database"] = scratch
        same = [name for name, uri in found.items() if isinstance(uri, Uri) and isinstance(scratch, Uri) and place_of(uri) == place_of(scratch)]
        if len(same) > 1:
            problems.append(f"backup_check_database is the same database as {same[0]}, and is emptied: give it one of its own.")
        if isinstance(scratch, Uri) and scratch.kind != "postgresql":
            problems.append("backup_check_database must be a database of PostgreSQL.")
    problems += [text for text in found.values() if isinstance(text, str)]
    artifacts, destination = given["artifacts"], given["destination"]
    wrong = {name: places.problem_of(place) for name, place in (("artifacts", artifacts), ("destination", destination)) if place or name == "destination"}
    problems += [f"backup_{name} {text}." for name, text in wrong.items() if text]
    if artifacts and not any(wrong.values()) and places.overlap(artifacts, destination):
        problems.append("backup_destination is the same place as backup_artifacts, or one is in the other. Set another place, best on another machine.")
    return problems


class FilterModule:
    """Judgements on backups."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"backup_problems": backup_problems}
