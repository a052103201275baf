# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The part of the database modules that runs with MLflow's own Python: its SQLAlchemy, its driver, its migrations.

It gets the request (and this very text) as JSON on standard input, so that no URI is ever in the arguments of a process, and
answers with one JSON object on standard output.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import sys
import tempfile
import threading
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_places import (
    Settings,
    artifact_roots,
    plan,
    read_experiments,
    read_used,
    rewrite,
    stranded,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import MARKER_TABLES, VERSION_TABLES, bring_to_head
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import encrypt_anew, stored_secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import (
    SUFFIXES,
    BackupError,
    check_backup,
    copy_sqlite,
    make_backup,
    size_of,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import APPLICATION, OWN_SESSIONS, Connection, session_statements
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import counts, movable, read_tables
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_restore import EMPTY_POSTGRESQL, check_restore, restore
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import Uri
from ansible_collections.mlops.mlflow.plugins.module_utils._sqlite_copy import (
    SqliteError,
    check_schemas,
    compare,
    content_tables,
    copy,
    examine,
    is_fresh,
    sums_of,
    take,
)

# One upgrader at a time in one database, whatever host it runs on. The number only has to be ours and constant.
ADVISORY_LOCK = 7110364021

MAX_CONNECTIONS = {"postgresql": "SHOW max_connections", "mysql": "SELECT @@max_connections", "mssql": "SELECT @@MAX_CONNECTIONS"}

TRY_LOCK = {
    "postgresql": f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})",
    "mysql": f"SELECT GET_LOCK(CONCAT('{ADVISORY_LOCK}.', MD5(DATABASE())), 0)",
    "mssql": f"DECLARE @r int; EXEC @r = sp_getapplock '{ADVISORY_LOCK}', 'Exclusive', 'Session', 0; SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END",
}

# Of another user's session one sees only process and user, unless one may read all statistics.
SESSION_COLUMNS = ("pid", "user", "application", "state", "since")
POSTGRESQL_SESSION = "b.pid, b.usename, b.application_name, b.state, b.xact_start::text"
BLOCKERS = f"""
SELECT DISTINCT {POSTGRESQL_SESSION} FROM pg_stat_activity w, pg_stat_activity b
WHERE w.application_name = '{APPLICATION}' AND w.wait_event_type = 'Lock' AND b.pid = ANY (pg_blocking_pids(w.pid)) ORDER BY 1
"""
DATABASE_SESSIONS = {
    "postgresql": f"""
SELECT {POSTGRESQL_SESSION} FROM pg_stat_activity b
WHERE datname = '{{database}}' AND pid <> pg_backend_pid() AND application_name <> '{APPLICATION}' ORDER BY 1
""",
    # The server does not say to everybody who holds a metadata lock.
    "mysql": "SELECT id, user, host, command, concat(time, ' s') FROM information_schema.processlist WHERE db = '{database}'",
}

MYSQL_HOST = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)"
MYSQL_GRANTEE = f"CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({MYSQL_HOST}) - 1), '''@''', {MYSQL_HOST}, '''')"

# One value that says what is missing, or nothing.
MAY_NOT_CHANGE = {
    "postgresql": """
SELECT CASE
  WHEN current_setting('transaction_read_only') = 'on' THEN 'the server or this login is read-only'
  WHEN NOT has_schema_privilege(current_schema(), 'CREATE') THEN current_user || ' has no right to create tables in the schema ' || current_schema()
  ELSE (SELECT 'the table ' || min(relname) || ' belongs to ' || min(pg_get_userbyid(relowner)) || ', not to ' || current_user FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND NOT pg_has_role(relowner, 'USAGE') HAVING count(*) > 0)
END
""",
    # Rights that come by a role cannot be seen so.
    "mysql": f"""
SELECT CONCAT(CURRENT_USER(), ' lacks the right ', MIN(name))
FROM (SELECT 'ALTER' AS name UNION SELECT 'CREATE' UNION SELECT 'DROP' UNION SELECT 'INDEX') needed
WHERE (SELECT COUNT(*) FROM information_schema.applicable_roles) = 0 AND name NOT IN (
  SELECT privilege_type FROM information_schema.schema_privileges WHERE DATABASE() LIKE table_schema AND grantee = {MYSQL_GRANTEE}
  UNION SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = {MYSQL_GRANTEE})
HAVING COUNT(*) > 0
""",
}


class Busy(Exception):
    """Somebody else holds the upgrade lock, or the database that should be copied."""


class NoSchema(Exception):
    """The schema that the connection asks for is not there."""


class NoRight(Exception):
    """The login may not change the schema."""


class NoRehearsal(Exception):
    """There can be no copy of the database."""


def create_for_owner(path: str) -> None:
    """A new SQLite file belongs to whom its folder belongs, not to root who runs this. SQLite cares for its journals itself."""
    if os.path.exists(path):
        return
    folder = os.stat(os.path.dirname(path))
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    if os.geteuid() == 0:
        os.fchown(handle, folder.st_uid, folder.st_gid)
    os.close(handle)


def read_revisions(connection: Connection, component: str) -> dict[str, t.Any]:
    """The revisions, how many tables there are, and whether MLflow's are among them."""
    tables = read_tables(connection)
    revisions = []
    for version_table in VERSION_TABLES[component]:
        if version_table in tables:
            revisions = sorted(row[0] for row in connection.rows(f"SELECT version_num FROM {version_table}"))
            break
    content = {table for table in tables if not table.startswith("alembic_version")}
    return {"revisions": revisions, "tables": len(content), "mlflow": MARKER_TABLES[component] <= tables}


def check_schema(connection: Connection) -> None:
    """Without a schema a database would look empty."""
    if connection.kind == "postgresql" and connection.value("SELECT current_schema()") is None:
        path, user = connection.value("SHOW search_path"), connection.value("SELECT current_user")
        raise NoSchema(f"no schema of the search_path {path} exists, or {user} may not use it")


def check_right(connection: Connection) -> None:
    statement = MAY_NOT_CHANGE.get(connection.kind)
    problem = statement and connection.value(statement)
    if problem:
        raise NoRight(problem)


def check_rehearsal(connection: Connection, place: str | None) -> None:
    """place is an empty database for it, in place of one that is made."""
    if place is not None:
        if connection.kind != "postgresql":
            raise NoRehearsal(f"rehearsal_database needs PostgreSQL, not {connection.kind}")
        if place == connection.database:
            raise NoRehearsal("rehearsal_database must be another database")
        with Connection(connection.uri.text, place) as other:
            if tables := sorted(read_tables(other)):
                raise NoRehearsal(f"the database {place} must be empty, and holds {len(tables)} tables such as {tables[0]}")
        return
    if connection.kind not in ("postgresql", "sqlite"):
        raise NoRehearsal(f"it needs PostgreSQL or SQLite, not {connection.kind}")
    if connection.kind == "postgresql" and not connection.value("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"):
        raise NoRehearsal(f"to make a copy, {connection.value('SELECT current_user')} needs the right CREATEDB (ALTER ROLE ... CREATEDB)")


def inspect(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """What is there. With upgrade=true also why an upgrade cannot be, before anything is changed."""
    uri = Uri(request["uri"])
    if uri.kind == "sqlite" and not os.path.exists(uri.database):
        nothing = dict.fromkeys(("server_version", "bytes", "max_connections", "objection", "secrets"))
        return {"dialect": "sqlite", "revisions": [], "tables": 0, "workspaces": 0, "mlflow": False, **nothing}
    with Connection(request["uri"]) as connection:
        check_schema(connection)
        limit = MAX_CONNECTIONS.get(connection.kind)
        found = {
            "dialect": connection.kind,
            "server_version": connection.server_version,
            "bytes": size_of(connection),
            "max_connections": int(connection.value(limit)) if limit else None,
            **read_revisions(connection, request["component"]),
            "objection": None,
            "secrets": None,
            "workspaces": 0,
        }
        # Only on demand: who comes to upgrade waits for no table, which another upgrade may hold.
        if request["workspaces"] and found["mlflow"] and "workspaces" in read_tables(connection):
            found["workspaces"] = int(connection.value("SELECT count(*) FROM workspaces WHERE name <> 'default'"))
        if request["keys"] is not None and found["mlflow"]:
            found["secrets"] = stored_secrets(connection, read_tables(connection), request["keys"], request["former_keys"])
        if request["upgrade"] and found["revisions"] != [request["head"]]:
            try:
                check_right(connection)
                if request["backup_dir"] and found["tables"]:
                    check_backup(connection, request["backup_dir"])
                if request["rehearsal"] and found["tables"]:
                    check_rehearsal(connection, request["rehearsal_database"])
            except (NoRight, NoRehearsal, BackupError) as exc:
                found["objection"] = describe(exc)
        return found


def poll(attempt: t.Callable[[], t.Any], wait: float, reason: t.Callable[[], str]) -> t.Any:
    deadline = time.monotonic() + wait
    while not attempt():
        if time.monotonic() >= deadline:
            raise Busy(f"{reason()}; waited {wait} s for it to end")
        time.sleep(min(1, wait))


def reason_lock() -> str:
    return "another upgrade of this database is running"


@contextlib.contextmanager
def folder_lock(path: str, wait: float) -> t.Iterator[None]:
    """For SQLite, whose users are all on one machine: a lock on the file's folder."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)

    def try_flock() -> bool:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        poll(try_flock, wait, reason_lock)
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def upgrade_lock(request: dict[str, t.Any]) -> t.Any:
    """Held until the end, by the database server, which all hosts ask."""
    uri = Uri(request["uri"])
    if uri.kind == "sqlite":
        create_for_owner(uri.database)
        with folder_lock(uri.database, request["wait_timeout"]):
            yield
        return
    with Connection(request["uri"], lock_timeout=request["lock_timeout"]) as connection:
        poll(lambda: connection.value(TRY_LOCK[uri.kind]), request["wait_timeout"], reason_lock)
        yield


def sessions_in(uri: Uri, connection: t.Any) -> list[dict[str, t.Any]]:
    """Who else uses a database: sessions of its server, or the processes that have the SQLite file open."""
    if uri.kind == "sqlite":
        pids = set()
        for link in glob.glob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(link) == os.path.realpath(uri.database):
                    pids.add(int(link.split("/")[2]))
        return [{"pid": pid} for pid in sorted(pids - {os.getpid()})]
    statement = DATABASE_SESSIONS.get(uri.kind)
    if not statement:
        return []
    found = [dict(zip(SESSION_COLUMNS, row)) for row in connection.rows(statement.format(database=uri.database.replace("'", "''")))]
    return [session for session in found if session["pid"] not in OWN_SESSIONS]


class BlockerWatch(threading.Thread):
    """Remembers who stood in the way last: after a lock timeout nobody can tell any more."""

    def __init__(self, uri: str) -> None:
        super().__init__(daemon=True)
        self.uri = uri
        self.last: list[dict[str, t.Any]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(Exception), Connection(self.uri) as connection:
            while not self.ended.wait(0.3):
                self.last = [dict(zip(SESSION_COLUMNS, row)) for row in connection.rows(BLOCKERS)] or self.last


@contextlib.contextmanager
def blockers_named(text: str) -> t.Iterator[None]:
    """Give an error that a lock caused the sessions that caused it."""
    uri = Uri(text)
    watch = BlockerWatch(text)
    if uri.kind == "postgresql":
        watch.start()
    try:
        yield
    except Exception as exc:
        cause = getattr(exc, "orig", None) or exc
        if "LockNotAvailable" in type(cause).__name__ or "Lock wait timeout" in str(cause) or "database is locked" in str(cause):
            with Connection(text) as connection:
                vars(exc)["sessions"] = watch.last or sessions_in(uri, connection)
        raise
    finally:
        watch.ended.set()


def migrate(request: dict[str, t.Any], empty: bool, database: str | None = None) -> None:
    """With MLflow's own functions. database is the one of the URI if not given."""
    import sqlalchemy

    url = sqlalchemy.engine.make_url(request["uri"])
    url = url.set(database=database or url.database)

    def limit_session(connection: t.Any, record: t.Any) -> None:
        cursor = connection.cursor()
        for statement in session_statements(url.get_backend_name(), request["lock_timeout"]):
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    # For every engine of this process: MLflow makes its own ones from the URI.
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", limit_session)
    try:
        bring_to_head(request["component"], engine, empty)
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", limit_session)


def upgrade(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Migrate to head, after a backup if there is something to lose. backup_file says where it would go."""
    with upgrade_lock(request):
        with Connection(request["uri"]) as connection:
            found = read_revisions(connection, request["component"])
            if found["revisions"] == [request["head"]]:
                return {"before": found["revisions"], "after": found["revisions"]}
            if request["backup_file"] and found["tables"]:
                make_backup(connection, request["backup_file"], request["lock_timeout"])
        request["began"] = True
        with blockers_named(request["uri"]):
            migrate(request, empty=not found["tables"])
        with Connection(request["uri"]) as connection:
            return {"before": found["revisions"], "after": read_revisions(connection, request["component"])["revisions"]}


def go_back(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Restore the backup_file, while nobody upgrades."""
    with upgrade_lock(request), Connection(request["uri"], lock_timeout=request["lock_timeout"]) as connection:
        check_schema(connection)
        check_right(connection)
        before = read_revisions(connection, request["component"])["revisions"]
        check_restore(connection, request["backup_file"])
        if request["only_check"]:
            return {"before": before, "after": before}
        request["began"] = True
        with blockers_named(request["uri"]):
            restore(connection, request["backup_file"], request["lock_timeout"])
        return {"before": before, "after": read_revisions(connection, request["component"])["revisions"]}


def save(request: dict[str, t.Any]) -> dict[str, t.Any]:
    with Connection(request["uri"], lock_timeout=request["lock_timeout"]) as connection:
        return saved(connection, request["name"], request["component"], request["folder"], request["lock_timeout"])


def saved(connection: Connection, name: str, component: str, folder: str, lock_timeout: int) -> dict[str, t.Any]:
    """Write a backup into the folder of a restore point; returns what that says of the database."""
    file = f"{name}{SUFFIXES[connection.kind]}"
    make_backup(connection, os.path.join(folder, file), lock_timeout)
    facts = {"dialect": connection.kind, "server_version": connection.server_version, "place": connection.uri.place}
    revision = ", ".join(read_revisions(connection, component)["revisions"]) or None
    rows = {"counts": counts(connection), "movable": movable(connection)}
    return {"name": name, "component": component, "file": file, "revision": revision, **rows, **facts}


def rehearse(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Migrate a copy; returns how long copy and migration took. The copy is gone afterwards."""
    start = time.monotonic()
    try:
        if request["rehearsal_database"]:
            dump_into(request, request["copy"])
        else:
            copy_database(request["uri"], request["copy"], request["wait_timeout"])
        copied = time.monotonic()
        migrate(request, empty=False, database=request["copy"])
        migrated = time.monotonic()
        with Connection(request["uri"], request["copy"]) as connection:
            after = read_revisions(connection, request["component"])["revisions"]
    finally:
        drop(request)
    return {"after": after, "copy_seconds": round(copied - start, 1), "upgrade_seconds": round(migrated - copied, 1)}


def dump_into(request: dict[str, t.Any], name: str) -> None:
    """Copy the database into an empty one, while others use it."""
    with tempfile.TemporaryDirectory(prefix="mlflow-rehearsal.", dir=request["rehearsal_dir"]) as folder, Connection(request["uri"]) as connection:
        path = os.path.join(folder, "copy.dump")
        make_backup(connection, path, request["lock_timeout"])
        with Connection(request["uri"], name) as other:
            restore(other, path, request["lock_timeout"])


def copy_database(text: str, name: str, wait: float) -> None:
    uri = Uri(text)
    if uri.kind == "sqlite":
        create_for_owner(name)
        copy_sqlite(uri.database, name)
        return

    # A template must have no session, not even ours.
    with Connection(text, "postgres") as connection:

        def try_copy() -> bool:
            try:
                connection.rows(f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(uri.database)}")
            except Exception as exc:
                if "ObjectInUse" not in type(exc).__name__:
                    raise
                return False
            return True

        def reason() -> str:
            who = "; ".join(describe_session(session) for session in sessions_in(uri, connection))
            return f"a copy can be made only while nobody uses the database, stop its servers. It is used by {who or 'nobody any more'}"

        poll(try_copy, wait, reason)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def drop(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Also what a rehearsal that was killed could not do any more."""
    if Uri(request["uri"]).kind == "sqlite":
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(request["copy"] + suffix)
        return {}
    if request["rehearsal_database"]:
        with Connection(request["uri"], request["copy"]) as connection:
            connection.rows(EMPTY_POSTGRESQL)
        return {}
    with Connection(request["uri"], "postgres") as connection:
        connection.rows(f"DROP DATABASE IF EXISTS {quoted(request['copy'])} WITH (FORCE)")
    return {}


def take_sqlite(request: dict[str, t.Any]) -> dict[str, str]:
    """A copy of a SQLite file that nobody uses."""
    check_unused(request["source"])
    return take(request["source"], request["copy"])


def check_unused(path: str) -> None:
    users = sessions_in(Uri(f"sqlite:///{path}"), None)
    if users:
        raise SqliteError(f"{path} is in use by {'; '.join(describe_session(user) for user in users)}: stop the server that uses it")


def examine_sqlite(request: dict[str, t.Any]) -> dict[str, t.Any]:
    with Connection(request["uri"]) as source:
        moved = sum(rewrite(source, request["artifact_roots"]).values())
        found = examine(source, **{name: request[name] for name in ("orphans", "invalid_text", "large_experiments", "aside")})
        roots = artifact_roots(source) if request["component"] == "tracking" else []
        return {**found, "moved": moved, "artifact_roots": roots, "rows": {name: n for name, n in counts(source).items() if name in content_tables(source)}}


def compare_sqlite(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Whether the target is as MLflow makes it, or has the content of the copy already."""
    with Connection(f"sqlite:///{request['copy']}") as source, Connection(request["uri"]) as target:
        check_schemas(source, target)
        return {"tables": None} if is_fresh(target) else {"tables": compare(source, target)}


def import_sqlite(request: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """sums: the SHA-256 of the source and its journals when the copy was made."""

    def check_unchanged() -> None:
        check_unused(request["source"])
        if sums_of(request["source"]) != request["sums"]:
            raise SqliteError(f"{request['source']} has changed since it was read: stop the server that uses it")

    to_target = Connection(request["uri"], lock_timeout=request["lock_timeout"])
    with upgrade_lock(request), Connection(f"sqlite:///{request['copy']}") as source, to_target as target, blockers_named(request["uri"]):
        check_schemas(source, target)
        return copy(source, target, check_unchanged)


def rekey(request: dict[str, t.Any]) -> dict[str, int]:
    """Encrypt what is stored with other keys."""
    with upgrade_lock(request), Connection(request["uri"], lock_timeout=request["lock_timeout"]) as connection:
        check_schema(connection)
        return encrypt_anew(connection, read_tables(connection), request["keys"], request["former_keys"])


def artifacts(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Where they are, and which of them other settings of the server would strand."""
    former = Settings(**request["former"]) if request["former"] else None
    wanted = Settings(**request["wanted"])
    uri = Uri(request["uri"])
    if uri.kind == "sqlite" and not os.path.exists(uri.database):
        return {"roots": [], "stranded": [], "plan": {}}
    with Connection(request["uri"]) as connection:
        check_schema(connection)
        found = stranded(read_experiments(connection), lambda: read_used(connection), former, wanted)
        return {"roots": artifact_roots(connection), "stranded": found, "plan": plan(found, former, wanted) if former else {}}


def relocate(request: dict[str, t.Any]) -> dict[str, int]:
    """Let the places of artifacts begin in another way, all of them or none."""
    with upgrade_lock(request), Connection(request["uri"], lock_timeout=request["lock_timeout"]) as connection:
        check_schema(connection)
        if request["only_check"]:
            return rewrite(connection, request["locations"], only_count=True)
        request["began"] = True
        with blockers_named(request["uri"]), connection.transaction():
            return rewrite(connection, request["locations"])


def empty(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Take back a schema in which nothing is yet."""
    with upgrade_lock(request), Connection(request["uri"], lock_timeout=request["lock_timeout"]) as target:
        if is_fresh(target):
            target.rows(EMPTY_POSTGRESQL)
    return {}


def describe_session(session: dict[str, t.Any]) -> str:
    detail = ", ".join(str(session[key]) for key in ("application", "state", "since") if session.get(key))
    return f"process {session['pid']}" + (f" of user {session['user']}" if session.get("user") else "") + (f" ({detail})" if detail else "")


def describe(exc: Exception) -> dict[str, t.Any]:
    cause = getattr(exc, "orig", None) or exc
    sessions = getattr(exc, "sessions", None)
    return {
        "kind": type(exc).__name__,
        "cause": type(cause).__name__,
        "text": str(cause),
        "sessions": None if sessions is None else [describe_session(session) for session in sessions],
    }


ACTIONS: dict[str, t.Callable[[dict[str, t.Any]], t.Any]]
ACTIONS = {"inspect": inspect, "upgrade": upgrade, "restore": go_back, "rehearse": rehearse, "drop": drop, "save": save}
ACTIONS |= {
    "take_sqlite": take_sqlite,
    "examine_sqlite": examine_sqlite,
    "compare_sqlite": compare_sqlite,
    "import_sqlite": import_sqlite,
    "empty": empty,
    "rekey": rekey,
    "artifacts": artifacts,
    "relocate": relocate,
}


def run(request: dict[str, t.Any]) -> t.Any:
    answer = os.fdopen(os.dup(1), "w")
    # Whatever MLflow prints goes to standard error: the answer has a channel of its own.
    os.dup2(2, 1)
    try:
        result = {"result": ACTIONS[request["action"]](request)}
    except Exception as exc:
        result = {"error": {**describe(exc), "began": "began" in request}}
    json.dump(result, answer)
    answer.close()
    # No teardown of whatever MLflow has started.
    sys.stderr.flush()
    os._exit(0)
