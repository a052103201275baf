# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.addons import ARTIFACTS, DATABASES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError, Uri, uri_from_parts

DOCUMENTATION = r"""
name: store_needs
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What the addresses of MLflow's stores ask for
description:
  - Reads the URIs of databases and of places for artifacts, and says what a host must have to use them.
positional: _input
options:
  _input:
    description: The databases, each as a URI as MLflow takes it, or as the parts that the filter P(mlops.mlflow.database_uri#filter) takes.
    type: list
    elements: raw
    required: true
  artifacts:
    description: The URIs or paths of artifacts.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which servers have to answer
  ansible.builtin.debug:
    msg: "{{ (['postgresql+psycopg2://mlflow:secret@db/mlflow'] | mlops.mlflow.store_needs).addresses }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems) are what is wrong with the databases, without a secret.
    - C(addresses) are host and port of each database that is reached over the network.
    - C(buckets) are the S3 buckets, C(folders) the folders of the host.
    - C(packages) are the names of locks besides the server's own - V(mysql), V(mssql), V(azure) and V(gcs).
    - C(clients) are Debian's packages with the tools that save and restore the databases.
    - C(sqlite) is whether a database is a file of one host.
  type: dict
"""

CLIENTS = {"postgresql": "postgresql-client", "mysql": "mariadb-client"}
PORTS = {"postgresql": "5432", "mysql": "3306", "mssql": "1433"}


def store_needs(databases: list[str | dict[str, t.Any]], artifacts: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Without what cannot be parsed, whose problem is named."""
    problems, uris = [], []
    for database in databases:
        try:
            uris.append(Uri(database if isinstance(database, str) else uri_from_parts(database)))
        except MlflowDbError as exc:
            problems.append(str(exc))
    schemes = [re.match("(?:([a-z0-9+-]+):)?", place)[1] for place in artifacts]  # type: ignore[index]
    packages = {uri.kind for uri in uris} & set(DATABASES) | {ARTIFACTS[scheme] for scheme in schemes if scheme in ARTIFACTS}
    folders = [re.sub("^file:(//)?", "", place) for place, scheme in zip(artifacts, schemes, strict=True) if scheme in (None, "file")]
    return {
        "problems": once(problems),
        "addresses": once(f"{uri.host}:{uri.port or PORTS[uri.kind]}" for uri in uris if uri.kind in PORTS and uri.host),
        "buckets": once(place.removeprefix("s3:").removeprefix("//").partition("/")[0] for place in artifacts if place.startswith("s3:")),
        "folders": once(folders + [os.path.dirname(uri.database) for uri in uris if uri.kind == "sqlite"]),
        "packages": sorted(packages),
        "clients": sorted({CLIENTS[uri.kind] for uri in uris if uri.kind in CLIENTS}),
        "sqlite": any(uri.kind == "sqlite" for uri in uris),
    }


def once(texts: t.Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


class FilterModule:
    """What follows from addresses."""

    def filters(self) -> dict[str, object]:
        return {"store_needs": store_needs}
