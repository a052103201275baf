# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.store_needs import store_needs

NOTHING = {"problems": [], "addresses": [], "buckets": [], "folders": [], "packages": [], "clients": [], "sqlite": False}


@pytest.mark.parametrize(
    ("uri", "needs"),
    [
        (
            "postgresql+psycopg2://mlflow:p%40ss@db.example.com/mlflow?sslmode=verify-full",
            {"addresses": ["db.example.com:5432"], "clients": ["postgresql-client"]},
        ),
        ("postgresql+psycopg2://mlflow:x@[fd00::1]:6432/mlflow", {"addresses": ["[fd00::1]:6432"], "clients": ["postgresql-client"]}),
        ("postgresql+psycopg2://mlflow:x@/mlflow?host=/run/postgresql", {"clients": ["postgresql-client"]}),
        ("mysql+pymysql://mlflow:x@db/mlflow", {"addresses": ["db:3306"], "packages": ["mysql"], "clients": ["mariadb-client"]}),
        ("mssql+pymssql://mlflow:x@db/mlflow", {"addresses": ["db:1433"], "packages": ["mssql"]}),
        ({"host": "db", "name": "mlflow", "user": "mlflow", "password": "p@ss"}, {"addresses": ["db:5432"], "clients": ["postgresql-client"]}),
        ({"host": "/run/postgresql", "name": "mlflow"}, {"clients": ["postgresql-client"]}),
        ("sqlite:////var/lib/mlflow/db/mlflow.db", {"folders": ["/var/lib/mlflow/db"], "sqlite": True}),
    ],
)
def test_databases(uri, needs):
    assert store_needs([uri, uri]) == NOTHING | needs


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("postgresql://mlflow:s3cret-@db/mlflow", "leaves the driver open"),
        ("postgresql+psycopg2://my@s3cret-@db", "percent-encoded"),
        ("oracle://mlflow:s3cret-@db/mlflow", "is not one of"),
        ("sqlite:///mlflow.db", "absolute path"),
        ({"name": "mlflow", "password": "s3cret-"}, "needs a user"),
    ],
)
def test_problems_have_no_secret(uri, says):
    needs = store_needs([uri])
    (problem,) = needs["problems"]
    assert says in problem
    assert "s3cret" not in problem
    assert needs | {"problems": []} == NOTHING


@pytest.mark.parametrize(
    ("place", "needs"),
    [
        ("s3://mlflow/some/path", {"buckets": ["mlflow"]}),
        ("s3://My_Bucket", {"buckets": ["My_Bucket"]}),
        ("s3:/mlflow", {"buckets": [""]}),
        ("wasbs://container@account.blob.core.windows.net/", {"packages": ["azure"]}),
        ("abfss://container@account.dfs.core.windows.net/", {"packages": ["azure"]}),
        ("gs://bucket", {"packages": ["gcs"]}),
        ("/srv/artifacts", {"folders": ["/srv/artifacts"]}),
        ("file:///srv/artifacts", {"folders": ["/srv/artifacts"]}),
        ("file:/srv/artifacts", {"folders": ["/srv/artifacts"]}),
        ("hdfs://host/path", {}),
        ("mlflow-artifacts:/", {}),
    ],
)
def test_artifacts(place, needs):
    assert store_needs([], artifacts=[place, place]) == NOTHING | needs
