# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What an MLflow server needs besides MLflow, and what some of its features need besides that: the names of the locks, and the packages that each is for."""

from __future__ import annotations

import re
import typing as t

# requirements/mlflow*.in says the same; tests/unit/plugins/module_utils/test_mlflow_inside.py compares.
SERVER = ("boto3", "psycopg2-binary", "uvloop")
ADDONS = {
    "auth": ("Flask-WTF",),
    "azure": ("azure-identity", "azure-storage-blob"),
    "gcs": ("google-cloud-storage",),
    "mssql": ("pymssql",),
    "mysql": ("PyMySQL",),
    "oidc": ("mlflow-oidc-auth",),
}
# Databases and artifacts whose addresses ask for one of them.
DATABASES = ("mssql", "mysql")
ARTIFACTS = {"wasb": "azure", "wasbs": "azure", "abfs": "azure", "abfss": "azure", "gs": "gcs"}


def requirements(version: str, addons: t.Iterable[str]) -> str:
    """What a version without a lock is resolved from. Only all three parts of MLflow with one version fit each other."""
    lines = [f"{part}=={version}" for part in ("mlflow", "mlflow-skinny", "mlflow-tracing")]
    if tuple(int(number) for number in re.findall("[0-9]+", version)[:2]) < (3, 9):
        lines.append("sqlalchemy<2.1")
    lines += [*SERVER, *(package for addon in addons for package in ADDONS[addon])]
    return "".join(f"{line}\n" for line in lines)
