# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.filter.database_uri import database_uri
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import Uri
from hypothesis import given
from hypothesis import strategies as st

LOGIN = {"name": "mlflow", "user": "mlflow", "password": "p@ss/w:rd%"}
ENCODED = "mlflow:p%40ss%2Fw%3Ard%25"
MYSQL = {**LOGIN, "driver": "mysql+pymysql", "host": "db"}
SYSTEM_CAS = "%2Fetc%2Fssl%2Fcerts%2Fca-certificates.crt"


@pytest.mark.parametrize(
    ("parts", "ca_file", "uri"),
    [
        ({"name": "mlflow"}, "", "postgresql+psycopg2:///mlflow"),
        ({**LOGIN, "host": "db.example.org"}, "", f"postgresql+psycopg2://{ENCODED}@db.example.org/mlflow"),
        ({**LOGIN, "host": "fd00::5", "port": 6432}, "", f"postgresql+psycopg2://{ENCODED}@[fd00::5]:6432/mlflow"),
        ({**LOGIN, "host": "[fd00::5]", "port": "6432"}, "", f"postgresql+psycopg2://{ENCODED}@[fd00::5]:6432/mlflow"),
        ({**LOGIN, "host": "/run/postgresql", "tls": ""}, "", f"postgresql+psycopg2://{ENCODED}@/mlflow?host=%2Frun%2Fpostgresql"),
        ({**LOGIN, "host": "/run/pg", "port": 6432}, "", f"postgresql+psycopg2://{ENCODED}@:6432/mlflow?host=%2Frun%2Fpg"),
        ({"name": "mlflow", "user": "me", "password": 12345678, "host": "db"}, "", "postgresql+psycopg2://me:12345678@db/mlflow"),
        ({"name": "mlflow", "user": "me", "password": "", "host": "db"}, "", "postgresql+psycopg2://me@db/mlflow"),
        # What is asked of TLS, and what a CA asks for by itself.
        ({**LOGIN, "host": "db", "tls": "require"}, "/ca", f"postgresql+psycopg2://{ENCODED}@db/mlflow?sslmode=require"),
        ({**LOGIN, "host": "db"}, "/ca", f"postgresql+psycopg2://{ENCODED}@db/mlflow?sslmode=verify-full&sslrootcert=%2Fca"),
        ({**LOGIN, "host": "db", "tls": "verify-ca"}, "/ca", f"postgresql+psycopg2://{ENCODED}@db/mlflow?sslmode=verify-ca&sslrootcert=%2Fca"),
        ({**LOGIN, "host": "db", "tls": "verify-full"}, "", f"postgresql+psycopg2://{ENCODED}@db/mlflow?sslmode=verify-full&sslrootcert={SYSTEM_CAS}"),
        # Others.
        ({**LOGIN, "driver": "postgresql+psycopg", "host": "db"}, "", f"postgresql+psycopg://{ENCODED}@db/mlflow"),
        (MYSQL, "", f"mysql+pymysql://{ENCODED}@db/mlflow"),
        ({**MYSQL, "tls": "disable"}, "", f"mysql+pymysql://{ENCODED}@db/mlflow?ssl_disabled=true"),
        ({**MYSQL, "tls": "require"}, "", f"mysql+pymysql://{ENCODED}@db/mlflow?ssl_check_hostname=false"),
        ({**MYSQL, "tls": "verify-ca"}, "/ca", f"mysql+pymysql://{ENCODED}@db/mlflow?ssl_check_hostname=false&ssl_ca=%2Fca"),
        (MYSQL, "/ca", f"mysql+pymysql://{ENCODED}@db/mlflow?ssl_ca=%2Fca"),
        ({**MYSQL, "host": "/run/mysqld/mysqld.sock"}, "", f"mysql+pymysql://{ENCODED}@/mlflow?unix_socket=%2Frun%2Fmysqld%2Fmysqld.sock"),
        ({**LOGIN, "driver": "mssql+pymssql", "host": "db", "tls": "require"}, "", f"mssql+pymssql://{ENCODED}@db/mlflow?encryption=require"),
    ],
)
def test_uri_of_parts(parts, ca_file, uri):
    assert database_uri(parts, ca_file=ca_file) == uri
    assert Uri(uri).password in (parts.get("password") or None, "12345678")


def test_a_uri_stays():
    assert database_uri("sqlite:////srv/mlflow.db", ca_file="/ca") == "sqlite:////srv/mlflow.db"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"host": "db", "password": "s3cret-", "user": "me"}, "needs a name"),
        ({"name": "d?x", "password": "s3cret-", "user": "me"}, "question mark"),
        ({"name": "d", "password": "s3cret-"}, "needs a user"),
        ({"name": "d", "host": "me:s3cret-@db"}, "one name or address"),
        ({"name": "d", "host": "db", "passwd": "s3cret-"}, "has no passwd, but driver, host"),
        ({"name": "d", "driver": "oracle"}, "oracle is not one of postgresql"),
        ({"name": "/srv/mlflow.db", "driver": "sqlite"}, "sqlite is not one of"),
        ({"name": "d", "tls": "always"}, "tls may be disable or require or verify-ca or verify-full, not always"),
        ({"name": "d", "driver": "mssql+pymssql", "tls": "verify-full"}, "tls may be require, not verify-full"),
        ({"name": "d", "driver": "mssql+pymssql", "host": "/run/x"}, "knows no sockets"),
    ],
)
def test_parts_that_make_no_uri(parts, says):
    with pytest.raises(AnsibleFilterError, match=says) as caught:
        database_uri(parts)
    assert parts.get("password", "s3cret-") not in str(caught.value)


@given(user=st.text(min_size=1), password=st.text(min_size=1))
def test_any_character_survives(user, password):
    uri = Uri(database_uri({"host": "db", "name": "mlflow", "user": user, "password": password, "tls": "require"}))
    assert (uri.user, uri.password, uri.host, uri.query) == (user, password, "db", {"sslmode": ["require"]})
