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
import threading
import time

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import BackupError, check_backup, copy_sqlite, make_backup

# One upgrader at a time in one database, whatever host it runs on. The number only has to be ours and constant.
ADVISORY_LOCK = 7110364021
CONNECT_TIMEOUT = 10
APPLICATION = f"mlops.mlflow upgrade {os.getpid()}"

VERSION_TABLES = {"tracking": ["alembic_version"], "auth": ["alembic_version_auth", "alembic_version"]}
MARKER_TABLES = {"tracking": {"experiments", "runs"}, "auth": {"users"}}

# What every connection of an upgrade is told, also those that MLflow opens.
SESSION = {
    "postgresql": [
        "SET SESSION lock_timeout = '{lock_timeout}s'",
        "SET SESSION application_name = '{application}'",
        # Where the server can: it ends the work of a client that was killed.
        "SELECT set_config('client_connection_check_interval', '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'",
    ],
    "mysql": ["SET SESSION lock_wait_timeout = {lock_timeout}, SESSION innodb_lock_wait_timeout = {lock_timeout}"],
    "mssql": ["SET LOCK_TIMEOUT {lock_timeout}000"],
    "sqlite": ["PRAGMA busy_timeout = {lock_timeout}000"],
}

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
    "postgresql": f"SELECT {POSTGRESQL_SESSION} FROM pg_stat_activity b WHERE datname = '{{database}}' AND pid <> pg_backend_pid() ORDER BY 1",
    # The server does not say to everybody who holds a metadata lock.
    "mysql": "SELECT id, user, host, command, concat(time, ' s') FROM information_schema.processlist WHERE db = '{database}' AND id <> CONNECTION_ID()",
}

MAY_NOT_CHANGE = """
SELECT CASE
  WHEN current_setting('transaction_read_only') = 'on' THEN 'the server or this login is read-only'
  WHEN NOT has_schema_privilege(current_schema(), 'CREATE') THEN current_user || ' has no right to create tables in the schema ' || current_schema()
  ELSE (SELECT 'the table ' || min(relname) || ' belongs to ' || min(pg_get_userbyid(relowner)) || ', not to ' || current_user FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND NOT pg_has_role(relowner, 'USAGE') HAVING count(*) > 0)
END
"""


class Busy(Exception):
    """Somebody else holds the upgrade lock, or the database that should be copied."""


class NoRight(Exception):
    """The login may not change the schema."""


def create_for_owner(path):
    """A new SQLite file belongs to whom its folder belongs, not to root who runs this. SQLite cares for its journals itself."""
    if os.path.exists(path):
        return
    folder = os.stat(os.path.dirname(path))
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    if os.geteuid() == 0:
        os.fchown(handle, folder.st_uid, folder.st_gid)
    os.close(handle)


def make_engine(url):
    import sqlalchemy

    url = sqlalchemy.engine.make_url(url)
    dialect = url.get_backend_name()
    connect_args = {}
    if dialect in ("postgresql", "mysql") and "connect_timeout" not in url.query:
        connect_args["connect_timeout"] = CONNECT_TIMEOUT
    elif dialect == "mssql" and "login_timeout" not in url.query:
        connect_args["login_timeout"] = CONNECT_TIMEOUT
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, connect_args=connect_args)


def limit_sessions(dialect, lock_timeout):
    """For every engine of this process: MLflow makes its own ones from the URI."""
    import sqlalchemy

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
    def limit(connection, record):
        cursor = connection.cursor()
        for statement in SESSION[dialect]:
            cursor.execute(statement.format(lock_timeout=lock_timeout, application=APPLICATION))
        cursor.close()
        connection.commit()


def server_facts(connection):
    dialect = connection.dialect.name
    query = {
        "postgresql": "SHOW max_connections",
        "mysql": "SELECT @@max_connections",
        "mssql": "SELECT @@MAX_CONNECTIONS",
    }.get(dialect)
    version = connection.dialect.server_version_info
    return {
        "dialect": dialect,
        "server_version": ".".join(str(part) for part in version) if version else None,
        "max_connections": int(connection.exec_driver_sql(query).scalar()) if query else None,
    }


def read_revisions(connection, component):
    """(revisions, has tables, has MLflow's tables) of the database behind the connection."""
    import sqlalchemy

    tables = set(sqlalchemy.inspect(connection).get_table_names())
    for version_table in VERSION_TABLES[component]:
        if version_table in tables:
            rows = connection.exec_driver_sql(f"SELECT version_num FROM {version_table}")
            revisions = sorted(row[0] for row in rows)
            break
    else:
        revisions = []
    content = {table for table in tables if not table.startswith("alembic_version")}
    return {"revisions": revisions, "tables": len(content), "mlflow": MARKER_TABLES[component] <= tables}


def check_right(connection):
    if connection.dialect.name == "postgresql":
        problem = connection.exec_driver_sql(MAY_NOT_CHANGE).scalar()
        if problem:
            raise NoRight(problem)


def inspect(request):
    """What is there. With upgrade=true also why an upgrade cannot be, before anything is changed."""
    engine = make_engine(request["uri"])
    if engine.dialect.name == "sqlite" and not os.path.exists(engine.url.database):
        return {"dialect": "sqlite", "server_version": None, "max_connections": None, "revisions": [], "tables": 0, "mlflow": False, "objection": None}
    with engine.connect() as connection:
        found = {**server_facts(connection), **read_revisions(connection, request["component"]), "objection": None}
        if request["upgrade"] and found["revisions"] != [request["head"]]:
            try:
                check_right(connection)
                if request["backup_dir"] and found["tables"]:
                    check_backup(connection, request["backup_dir"])
            except (NoRight, BackupError) as exc:
                found["objection"] = describe(exc)
        return found


def poll(attempt, wait, reason):
    deadline = time.monotonic() + wait
    while not attempt():
        if time.monotonic() >= deadline:
            raise Busy(f"{reason()}; waited {wait} s for it to end")
        time.sleep(min(1, wait))


@contextlib.contextmanager
def upgrade_lock(engine, wait):
    """Held until the end: by the database server, which all hosts ask, or for SQLite on the file's folder."""

    def reason():
        return "another upgrade of this database is running"

    if engine.dialect.name == "sqlite":
        folder = os.open(os.path.dirname(engine.url.database), os.O_RDONLY)

        def try_flock():
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            poll(try_flock, wait, reason)
            yield
        finally:
            os.close(folder)
        return
    statement = TRY_LOCK[engine.dialect.name]
    # AUTOCOMMIT: an open transaction of ours would be one more thing that a migration waits for.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        poll(lambda: connection.exec_driver_sql(statement).scalar(), wait, reason)
        yield


def sessions_in(engine, database):
    """Who else uses a database: sessions of its server, or the processes that have the SQLite file open."""
    if engine.dialect.name == "sqlite":
        pids = set()
        for link in glob.glob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(link) == os.path.realpath(database):
                    pids.add(int(link.split("/")[2]))
        return [{"pid": pid} for pid in sorted(pids - {os.getpid()})]
    statement = DATABASE_SESSIONS.get(engine.dialect.name)
    if not statement:
        return []
    with engine.connect() as connection:
        return [dict(zip(SESSION_COLUMNS, row)) for row in connection.exec_driver_sql(statement.format(database=database.replace("'", "''")))]


class BlockerWatch(threading.Thread):
    """Remembers who stood in the way last: after a lock timeout nobody can tell any more."""

    def __init__(self, engine):
        super().__init__(daemon=True)
        self.engine = engine
        self.last = []
        self.ended = threading.Event()

    def run(self):
        with contextlib.suppress(Exception), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.ended.wait(0.3):
                self.last = [dict(zip(SESSION_COLUMNS, row)) for row in connection.exec_driver_sql(BLOCKERS)] or self.last


@contextlib.contextmanager
def blockers_named(engine):
    """Give an error that a lock caused the sessions that caused it."""
    watch = BlockerWatch(engine)
    if engine.dialect.name == "postgresql":
        watch.start()
    try:
        yield
    except Exception as exc:
        cause = str(getattr(exc, "orig", None) or "")
        if "LockNotAvailable" in type(getattr(exc, "orig", None)).__name__ or "Lock wait timeout" in cause or "database is locked" in cause:
            exc.sessions = watch.last or sessions_in(engine, engine.url.database)
        raise
    finally:
        watch.ended.set()


def migrate(engine, component, empty):
    if component == "auth":
        from mlflow.server.auth.db import utils

        utils.migrate(engine, "head")
        return
    from mlflow.store.db import utils

    # What `mlflow db upgrade` does since 3.14 and a server start did before.
    if empty:
        utils._initialize_tables(engine)
    else:
        utils._upgrade_db(engine)


def upgrade(request):
    """Migrate to head, after a backup if there is something to lose. backup_file says where it would go."""
    engine = make_engine(request["uri"])
    limit_sessions(engine.dialect.name, request["lock_timeout"])
    if engine.dialect.name == "sqlite":
        create_for_owner(engine.url.database)
    with upgrade_lock(engine, request["wait_timeout"]):
        with engine.connect() as connection:
            found = read_revisions(connection, request["component"])
        if found["revisions"] == [request["head"]]:
            return {"before": found["revisions"], "after": found["revisions"]}
        if request["backup_file"] and found["tables"]:
            make_backup(engine, request["backup_file"], request["lock_timeout"])
        request["began"] = True
        with blockers_named(engine):
            migrate(engine, request["component"], empty=not found["tables"])
        with engine.connect() as connection:
            return {"before": found["revisions"], "after": read_revisions(connection, request["component"])["revisions"]}


def rehearse(request):
    """Migrate a copy; returns how long copy and migration took. The copy is gone afterwards."""
    engine = make_engine(request["uri"])
    limit_sessions(engine.dialect.name, request["lock_timeout"])
    start = time.monotonic()
    try:
        copy = copy_database(engine, request["copy"], request["wait_timeout"])
        copied = time.monotonic()
        migrate(copy, request["component"], empty=False)
        migrated = time.monotonic()
        with copy.connect() as connection:
            after = read_revisions(connection, request["component"])["revisions"]
    finally:
        drop_copy(engine, request["copy"])
    return {"after": after, "copy_seconds": round(copied - start, 1), "upgrade_seconds": round(migrated - copied, 1)}


def copy_database(engine, name, wait):
    url = engine.url.set(database=name)
    if engine.dialect.name == "sqlite":
        create_for_owner(name)
        copy_sqlite(engine, name)
        return make_engine(url)

    # A template must have no session, not even ours.
    quote = engine.dialect.identifier_preparer.quote_identifier
    statement = f"CREATE DATABASE {quote(name)} TEMPLATE {quote(engine.url.database)}".replace("%", "%%")
    with maintenance(engine) as connection:

        def try_copy():
            try:
                connection.exec_driver_sql(statement)
            except Exception as exc:
                if "ObjectInUse" not in type(getattr(exc, "orig", None)).__name__:
                    raise
                return False
            return True

        def reason():
            who = "; ".join(describe_session(session) for session in sessions_in(make_engine(url.set(database="postgres")), engine.url.database))
            return f"a copy can be made only while nobody uses the database, stop its servers. It is used by {who or 'nobody any more'}"

        poll(try_copy, wait, reason)
    return make_engine(url)


def maintenance(engine):
    """A connection to the server that does not count as one to the database."""
    return make_engine(engine.url.set(database="postgres")).connect().execution_options(isolation_level="AUTOCOMMIT")


def drop_copy(engine, name):
    if engine.dialect.name == "sqlite":
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name + suffix)
        return
    with maintenance(engine) as connection:
        quoted = engine.dialect.identifier_preparer.quote_identifier(name)
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)".replace("%", "%%"))


def drop(request):
    """What a rehearsal that was killed could not do any more."""
    drop_copy(make_engine(request["uri"]), request["copy"])
    return {}


def describe_session(session):
    detail = ", ".join(str(session[key]) for key in ("application", "state", "since") if session.get(key))
    return f"process {session['pid']}" + (f" of user {session['user']}" if session.get("user") else "") + (f" ({detail})" if detail else "")


def describe(exc):
    cause = getattr(exc, "orig", None) or exc
    return {
        "kind": type(exc).__name__,
        "cause": type(cause).__name__,
        "text": str(cause),
        "sessions": None if getattr(exc, "sessions", None) is None else [describe_session(session) for session in exc.sessions],
    }


ACTIONS = {"inspect": inspect, "upgrade": upgrade, "rehearse": rehearse, "drop": drop}


def run(request):
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
