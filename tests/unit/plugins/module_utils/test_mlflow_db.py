# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import re
from urllib.parse import quote

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import read_migrations
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import Database, Migrations, revision_diff, state_of
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import parameters
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import DRIVERS, MlflowDbError, Uri, build_uri
from hypothesis import assume, example, given
from hypothesis import strategies as st

PASSWORD = "p%40@:/?#[]'\"\\ {}{{x}}$HOME`é;"
MARK = "********"


def migration(revision, down, title="a title"):
    return f'"""{title}\n\nRevision ID: {revision}\n"""\n\nrevision = "{revision}"\ndown_revision = {down}\n'


@pytest.fixture
def mlflow(tmp_path):
    """The package mlflow with the revisions a -> b -> d and a -> c -> d, and d -> e."""
    folder = tmp_path / "mlflow"
    versions = folder / "store/db_migrations/versions"
    versions.mkdir(parents=True)
    (folder / "version.py").write_text('import re\n\nVERSION = "3.17.2"\n')
    for revision, down in {"a": "None", "b": '"a"', "c": "'a'", "d": '("b", "c")', "e": '"d"  # after d'}.items():
        (versions / f"{revision}_x.py").write_text(migration(revision, down, f"title of {revision}"))
    (versions / "__init__.py").touch()
    return folder


@pytest.fixture
def database(mlflow):
    """A database as that package sees it; what its Python answers is up to the test."""

    def make(uri):
        return Database(lambda *argv, **options: (0, f"{mlflow}\n", ""), uri, __file__)

    return make


def revisions(pending):
    return [entry["revision"] for entry in pending]


def test_pending_in_order(mlflow):
    migrations = Migrations(read_migrations(str(mlflow), "tracking"), "this MLflow")
    assert migrations.head == "e"
    assert revisions(migrations.pending(None)) == ["a", "b", "c", "d", "e"]
    assert revisions(migrations.pending("a")) == ["b", "c", "d", "e"]
    assert revisions(migrations.pending("b")) == ["c", "d", "e"]
    assert migrations.pending("d") == [{"revision": "e", "title": "title of e"}]
    assert migrations.pending("e") == []


def test_two_heads(mlflow):
    (mlflow / "store/db_migrations/versions/f_x.py").write_text(migration("f", '"d"'))
    with pytest.raises(MlflowDbError, match="more than one newest revision: e, f"):
        Migrations(read_migrations(str(mlflow), "tracking"), "this MLflow")


def test_not_an_mlflow(mlflow):
    with pytest.raises(MlflowDbError, match="this MLflow has no database migrations"):
        Migrations(read_migrations(str(mlflow), "auth"), "this MLflow")


@st.composite
def graphs(draw):
    """Revisions with their parents, in the order in which they were made. The last one has all others behind it."""
    parents = {}
    for name in draw(st.lists(st.from_regex(r"[a-z0-9]{3,12}", fullmatch=True), min_size=1, max_size=12, unique=True)):
        # No index into nothing: the first one has no parents.
        parents[name] = draw(st.lists(st.sampled_from(sorted(parents)), unique=True, max_size=3)) if parents else []
    used = {parent for group in parents.values() for parent in group}
    parents["the_head"] = [name for name in parents if name not in used]
    return parents


def spelled(parents, form):
    """The ways in which alembic and people write down_revision."""
    quoted = [f"{form % 2 * chr(39) or chr(34)}{parent}{form % 2 * chr(39) or chr(34)}" for parent in parents]
    if not quoted:
        return "None"
    return quoted[0] if len(quoted) == 1 else f"({', '.join(quoted)}{',' * (form % 3 == 0)})"


def behind(parents, name):
    """A revision and all that comes before it."""
    return {name}.union(*(behind(parents, parent) for parent in parents[name]))


@given(parents=graphs(), form=st.integers(0, 5), data=st.data())
def test_pending_of_any_graph(tmp_path_factory, parents, form, data):
    folder = tmp_path_factory.mktemp("mlflow")
    versions = folder / "store/db_migrations/versions"
    versions.mkdir(parents=True)
    for name, group in parents.items():
        (versions / f"{name}_x.py").write_text(migration(name, spelled(group, form), f"title of {name}"))
    migrations = Migrations(read_migrations(str(folder), "tracking"), "this MLflow")
    assert migrations.parents == parents
    assert migrations.head == "the_head"
    current = data.draw(st.sampled_from([None, *parents]))
    done = behind(parents, current) if current else set()
    pending = revisions(migrations.pending(current))
    assert len(pending) == len(set(pending))
    assert set(pending) == set(parents) - done
    for name in pending:
        assert set(parents[name]) <= done, "a revision before one that it builds on"
        done.add(name)
    assert pending[-1:] == ([] if current == "the_head" else ["the_head"])


@pytest.mark.parametrize(
    ("found", "tables", "has_mlflow", "expected"),
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
def test_states(mlflow, found, tables, has_mlflow, expected):
    assert (
        state_of({"revisions": found, "tables": tables, "mlflow": has_mlflow}, Migrations(read_migrations(str(mlflow), "tracking"), "this MLflow")) == expected
    )


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


SERVERS = [driver for driver in DRIVERS if driver != "sqlite"]
HOSTS = st.one_of(st.ip_addresses().map(str), st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), st.text(max_size=8))


@given(
    driver=st.sampled_from(SERVERS),
    user=st.text(min_size=1),
    password=st.text(),
    host=HOSTS,
    port=st.none() | st.integers(1, 65535),
    database=st.text(min_size=1),
)
@example(driver=SERVERS[0], user="u", password=PASSWORD, host="::1", port=5432, database="a@b:c%41")
@example(driver=SERVERS[0], user="u", password="p", host="a/b", port=None, database="d")
def test_pieces_survive_the_uri(driver, user, password, host, port, database):
    try:
        uri = Uri(build_uri(driver, database, login_host=host, login_port=port, login_user=user, login_password=password))
    except MlflowDbError:
        # What a URI cannot carry is refused, and only that.
        assert "?" in database or not re.fullmatch(r"[^:/?@\[\]\s]*|[0-9A-Fa-f:.]+", host)
        return
    assert (uri.scheme, uri.user, uri.password, uri.database) == (driver, user, password, database)
    assert (uri.host.strip("[]"), uri.port) == (host, None if port is None else str(port))


@given(path=st.text(min_size=1))
def test_a_file_survives_the_uri(path):
    assume("?" not in path)
    assert Uri(build_uri("sqlite", f"/{path}")).database == f"/{path}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"driver": "sqlite", "login_db": "/x", "login_host": "h", "login_password": "p"}, "leave them out: login_host, login_password"),
        ({"driver": "sqlite", "login_db": "/x", "ca_cert": "/c"}, "leave them out: ca_cert"),
        ({"driver": "mysql+pymysql", "login_db": "d", "ssl_mode": "require"}, "leave them out: ssl_mode"),
        ({"driver": "mssql+pymssql", "login_db": "d", "ca_cert": "/c"}, "leave them out: ca_cert"),
        ({"driver": "mysql+pymysql", "login_db": "d", "login_password": "p"}, "needs a login_user"),
        ({"driver": "mysql+pymysql", "login_db": "d?x"}, "question mark"),
    ],
)
def test_pieces_that_do_not_fit(options, words):
    with pytest.raises(MlflowDbError, match=words):
        build_uri(**options)


@given(text=st.one_of(st.text(), st.from_regex(r"\A(postgresql\+psycopg2?|mysql\+pymysql|sqlite|[a-z+]*)(:/{0,4})(.*)(@.*)?(:\d+)?(/.*)?(\?.*)?\Z")))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(MlflowDbError):
        assert Uri(text).place


def forms(password):
    return [password, quote(password), quote(password, safe=""), repr(password)[1:-1], json.dumps(password)[1:-1]]


# A star in the password could be one of the stars that hide it.
PASSWORDS = st.text(min_size=1).filter(lambda password: "*" not in password)


@given(password=PASSWORDS, before=st.text(max_size=10), after=st.text(max_size=10), query=st.booleans())
@example(password=PASSWORD, before="", after="", query=False)
def test_no_form_of_a_password_is_left(password, before, after, query):
    encoded = quote(password, safe="")
    uri = Uri(f"mysql+pymysql://u@h/db?ssl_key_password={encoded}" if query else f"mysql+pymysql://u:{encoded}@h/db")
    for form in [*forms(password), uri.text]:
        clean = uri.scrub(f"{before}{form}{after}")
        assert MARK in clean
        for secret in forms(password):
            assert secret not in clean


@given(beginning=st.text(), end=st.text())
def test_a_refusal_does_not_tell_the_password(beginning, end):
    # Not encoded, so that most of them cannot be parsed.
    try:
        Uri(f"postgresql+psycopg2://u:{beginning}5ecret{end}@/")
    except MlflowDbError as exc:
        assert "5ecret" not in str(exc)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"kind": "OperationalError", "cause": "OperationalError", "text": 'FATAL:  password authentication failed for user "u"'}, "refuses the login of u"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": '(1045, "Access denied for user")'}, "refuses the login"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": 'FATAL:  database "db" does not exist'}, "create them first"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": "SSL error: certificate verify failed"}, "TLS connection"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": "Connection refused by s3cret"}, r"cannot be reached.*\*\*\*\*\*\*\*\*"),
        ({"kind": "OperationalError", "cause": "OperationalError", "text": "server closed the connection unexpectedly"}, "was lost"),
        ({"kind": "NoRight", "cause": "NoRight", "text": "no right to create tables"}, "u has no right to change"),
        ({"kind": "ProgrammingError", "cause": "DuplicateTable", "text": 'relation "x" already exists'}, "not the one of its revision"),
        ({"kind": "ModuleNotFoundError", "cause": "ModuleNotFoundError", "text": "No module named 'psycopg2'"}, "psycopg2-binary"),
        ({"kind": "Busy", "cause": "Busy", "text": "another upgrade"}, "is in use: another upgrade"),
        ({"kind": "BackupError", "cause": "BackupError", "text": "no space"}, "No backup .* could be made: no space"),
        ({"kind": "X", "cause": "LockNotAvailable", "text": "x", "sessions": ["process 7 of user a", "process 8"]}, "process 7 of user a; process 8$"),
        ({"kind": "X", "cause": "LockNotAvailable", "text": "x", "sessions": []}, "nothing any more"),
        ({"kind": "DataError", "cause": "Strange", "text": "line one\nline two"}, "Strange: line one line two"),
    ],
)
def test_explanations(database, error, words):
    assert re.search(words, database("postgresql+psycopg2://u:s3cret@h/db").explain({"sessions": None, **error}))


def test_no_mlflow():
    with pytest.raises(MlflowDbError, match="no Python in /not/there"):
        Database(None, "sqlite:////srv/x.db", "/not/there")
    with pytest.raises(MlflowDbError, match="no MLflow in the Python"):
        Database(lambda *argv, **options: (0, "\n", ""), "sqlite:////srv/x.db", __file__)


@pytest.mark.parametrize(
    ("state", "revision", "found", "words"),
    [
        ("ahead", "z", {"revisions": ["z"], "mlflow": True}, "newer than this MLflow: its revision z is unknown to MLflow 3.17.2, whose newest is e"),
        ("foreign", None, {"revisions": [], "mlflow": False}, "tables without a revision and is not an MLflow tracking database"),
        ("foreign", "z", {"revisions": ["z"], "mlflow": False}, "revision z and is not an MLflow tracking database"),
        ("foreign", "a, b", {"revisions": ["a", "b"], "mlflow": True}, "several revisions at once: a, b"),
        ("foreign", None, {"revisions": [], "mlflow": True}, "broken off"),
    ],
)
def test_refused_states(database, state, revision, found, words):
    with pytest.raises(MlflowDbError, match=words):
        database("sqlite:////srv/x.db")._refuse_unknown({"state": state, "current_revision": revision, "head_revision": "e"}, found)


def test_diff():
    info = {"current_revision": None, "head_revision": "e", "pending": [{"revision": "e", "title": "title of e"}]}
    assert revision_diff(info, True) == {"before": "revision: none\npending: e title of e\n", "after": "revision: e\n"}
    assert revision_diff(info, False)["before"] == revision_diff(info, False)["after"]


@pytest.mark.parametrize("query", ["host=/srv/socket", "host=a:5433&host=b:5434", "sslmode=require"])
def test_a_backup_goes_where_the_connection_went(query):
    uri = Uri(f"postgresql+psycopg2://u:p@/db?{query}")
    assert parameters(uri) == parameters(uri)
