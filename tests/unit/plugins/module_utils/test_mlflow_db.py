# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from urllib.parse import quote

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import (
    Database,
    Migrations,
    MlflowDbError,
    Uri,
    revision_diff,
    state_of,
)

PASSWORD = "p%40@:/?#[]'\"\\ {}{{x}}$HOME`é;"


def migration(revision, down, title="a title"):
    return f'"""{title}\n\nRevision ID: {revision}\n"""\n\nrevision = "{revision}"\ndown_revision = {down}\n'


@pytest.fixture
def venv(tmp_path):
    """An environment with the revisions a -> b -> d and a -> c -> d, and d -> e."""
    folder = tmp_path / "lib/python3.11/site-packages/mlflow/store/db_migrations/versions"
    folder.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    for revision, down in {"a": "None", "b": '"a"', "c": "'a'", "d": '("b", "c")', "e": '"d"  # after d'}.items():
        (folder / f"{revision}_x.py").write_text(migration(revision, down, f"title of {revision}"))
    (folder / "__init__.py").touch()
    return tmp_path


def revisions(pending):
    return [entry["revision"] for entry in pending]


def test_pending_in_order(venv):
    migrations = Migrations(str(venv), "tracking")
    assert migrations.head == "e"
    assert revisions(migrations.pending(None)) == ["a", "b", "c", "d", "e"]
    assert revisions(migrations.pending("a")) == ["b", "c", "d", "e"]
    assert revisions(migrations.pending("b")) == ["c", "d", "e"]
    assert migrations.pending("d") == [{"revision": "e", "title": "title of e"}]
    assert migrations.pending("e") == []


def test_two_heads(venv):
    (venv / "lib/python3.11/site-packages/mlflow/store/db_migrations/versions/f_x.py").write_text(migration("f", '"d"'))
    with pytest.raises(MlflowDbError, match="more than one newest revision: e, f"):
        Migrations(str(venv), "tracking")


def test_not_an_mlflow(venv, tmp_path):
    with pytest.raises(MlflowDbError, match="no database migrations for auth"):
        Migrations(str(venv), "auth")
    with pytest.raises(MlflowDbError, match="no virtual environment"):
        Migrations(str(tmp_path / "missing"), "tracking")


@pytest.mark.parametrize(
    ("found", "tables", "mlflow", "expected"),
    [
        ([], 0, False, ("empty", None)),
        ([], 3, False, ("foreign", None)),
        (["e"], 9, True, ("current", "e")),
        (["b"], 9, True, ("behind", "b")),
        (["z"], 9, True, ("ahead", "z")),
        (["z"], 9, False, ("foreign", "z")),
        (["a", "b"], 9, True, ("foreign", "a, b")),
    ],
)
def test_states(venv, found, tables, mlflow, expected):
    assert state_of({"revisions": found, "tables": tables, "mlflow": mlflow}, Migrations(str(venv), "tracking")) == expected


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("postgresql://u:p@h/db", r"write postgresql\+psycopg2://"),
        ("postgres://u:p@h/db", r"write postgresql\+psycopg2://"),
        ("mysql://u:p@h/db", r"write mysql\+pymysql://"),
        ("oracle+x://u:p@h/db", "is not one of"),
        ("postgresql+psycopg2://u:p@ss@h/db", "percent-encoded"),
        ("postgresql+psycopg2://u:p@h:port/db", "cannot be parsed"),
        ("postgresql+psycopg2://u:p@h", "cannot be parsed"),
        ("h/db", "cannot be parsed"),
        ("", "cannot be parsed"),
        ("sqlite:///relative.db", "absolute path"),
    ],
)
def test_bad_uris(uri, words):
    with pytest.raises(MlflowDbError, match=words) as caught:
        Uri(uri)
    assert "p@ss" not in str(caught.value)


def test_uri_parts():
    uri = Uri(f"postgresql+psycopg2://mlf%40w:{quote(PASSWORD, safe='')}@[::1]:5433/mlflow?sslmode=require")
    assert (uri.scheme, uri.user, uri.host, uri.port, uri.database) == ("postgresql+psycopg2", "mlf@w", "[::1]", "5433", "mlflow")
    assert uri.place == "mlflow on [::1]:5433"
    assert Uri("postgresql+psycopg2://u:p@/db?host=/run/postgresql").place == "db on the default host"
    assert Uri("sqlite:////var/lib/mlflow/mlflow.db").place == "/var/lib/mlflow/mlflow.db"


@pytest.mark.parametrize("form", [PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)])
def test_scrub(form):
    uri = Uri(f"postgresql+psycopg2://u:{quote(PASSWORD, safe='')}@h/db?sslpassword=t0ken")
    for text in (f"connection of u with {form} failed", f"in {uri.text}", "key t0ken"):
        clean = uri.scrub(text)
        assert "********" in clean
        assert PASSWORD not in clean
        assert quote(PASSWORD, safe="") not in clean
        assert "t0ken" not in clean


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"kind": "OperationalError", "cause": "OperationalError", "text": 'FATAL:  password authentication failed for user "u"'}, "refuses the login of u"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": '(1045, "Access denied for user")'}, "refuses the login"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": 'FATAL:  database "db" does not exist'}, "create them first"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": "SSL error: certificate verify failed"}, "TLS connection"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": "Connection refused by s3cret"}, r"cannot be reached.*\*\*\*\*\*\*\*\*"),
        ({"kind": "ModuleNotFoundError", "cause": "ModuleNotFoundError", "text": "No module named 'psycopg2'"}, "psycopg2-binary"),
        ({"kind": "Busy", "cause": "Busy", "text": "another upgrade"}, "Nothing was done"),
        ({"kind": "DataError", "cause": "Strange", "text": "line one\nline two"}, "Strange: line one line two"),
    ],
)
def test_explanations(venv, error, words):
    database = Database(None, "postgresql+psycopg2://u:s3cret@h/db", str(venv))
    with pytest.raises(MlflowDbError, match=words):
        raise MlflowDbError(database._explain({"sessions": [], **error}))


@pytest.mark.parametrize("state", ["ahead", "foreign"])
def test_refused_states(venv, state):
    database = Database(None, "sqlite:////srv/x.db", str(venv))
    with pytest.raises(MlflowDbError, match="newer than this MLflow" if state == "ahead" else "not an MLflow tracking database"):
        database.refuse_unknown({"state": state, "current_revision": "z", "head_revision": "e"})


def test_diff():
    info = {"current_revision": None, "head_revision": "e", "pending": [{"revision": "e", "title": "title of e"}]}
    assert revision_diff(info, True) == {"before": "revision: none\npending: e title of e\n", "after": "revision: e\n"}
    assert revision_diff(info, False)["before"] == revision_diff(info, False)["after"]
