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
import json
import os
import sys
import time

# One upgrader at a time in one database, whatever host it runs on. The number only has to be ours and constant.
ADVISORY_LOCK = 7110364021
CONNECT_TIMEOUT = 10

VERSION_TABLES = {"tracking": ["alembic_version"], "auth": ["alembic_version_auth", "alembic_version"]}
MARKER_TABLES = {"tracking": {"experiments", "runs"}, "auth": {"users"}}

# Of another user's session one sees only process and user, unless one may read all statistics.
BLOCKERS = """
SELECT DISTINCT a.pid, a.usename, a.application_name, a.client_addr::text, a.state, a.xact_start::text
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'relation' AND l.database = a.datid
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() ORDER BY 1
"""


class Busy(Exception):
    """Somebody else holds the upgrade lock."""


def create_for_owner(path):
    """A new SQLite file belongs to whom its folder belongs, not to root who runs this. SQLite cares for its journals itself."""
    if os.path.exists(path):
        return
    folder = os.stat(os.path.dirname(path))
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    if os.geteuid() == 0:
        os.fchown(handle, folder.st_uid, folder.st_gid)
    os.close(handle)


def make_engine(uri, lock_timeout=None):
    import sqlalchemy

    url = sqlalchemy.engine.make_url(uri)
    dialect = url.get_backend_name()
    connect_args = {}
    if dialect in ("postgresql", "mysql") and "connect_timeout" not in url.query:
        connect_args["connect_timeout"] = CONNECT_TIMEOUT
    elif dialect == "mssql" and "login_timeout" not in url.query:
        connect_args["login_timeout"] = CONNECT_TIMEOUT
    if lock_timeout is not None:
        statement = {
            "postgresql": f"SET SESSION lock_timeout = '{lock_timeout}s'",
            "mysql": f"SET SESSION lock_wait_timeout = {lock_timeout}",
            "mssql": f"SET LOCK_TIMEOUT {lock_timeout * 1000}",
            "sqlite": f"PRAGMA busy_timeout = {lock_timeout * 1000}",
        }.get(dialect)

        # For every engine of this process: MLflow makes its own ones from the URI.
        @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
        def limit_waiting(connection, record):
            if statement:
                cursor = connection.cursor()
                cursor.execute(statement)
                cursor.close()
                connection.commit()

    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, connect_args=connect_args)


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


def inspect(request):
    engine = make_engine(request["uri"])
    if engine.dialect.name == "sqlite" and not os.path.exists(engine.url.database):
        return {"dialect": "sqlite", "server_version": None, "max_connections": None, "revisions": [], "tables": 0, "mlflow": False}
    with engine.connect() as connection:
        return {**server_facts(connection), **read_revisions(connection, request["component"])}


@contextlib.contextmanager
def upgrade_lock(engine, wait):
    """Held until the end: by the database server, which all hosts ask, or for SQLite on the file's folder."""
    dialect = engine.dialect.name
    deadline = time.monotonic() + wait

    def poll(attempt):
        while not attempt():
            if time.monotonic() >= deadline:
                raise Busy(f"another upgrade of this database is running; waited {wait} s for it to end")
            time.sleep(1)

    if dialect == "sqlite":
        folder = os.open(os.path.dirname(engine.url.database), os.O_RDONLY)

        def try_flock():
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            poll(try_flock)
            yield
        finally:
            os.close(folder)
        return
    statement = {
        "postgresql": f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})",
        "mysql": f"SELECT GET_LOCK(CONCAT('{ADVISORY_LOCK}.', MD5(DATABASE())), 0)",
        "mssql": f"DECLARE @r int; EXEC @r = sp_getapplock '{ADVISORY_LOCK}', 'Exclusive', 'Session', 0; SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END",
    }[dialect]
    # AUTOCOMMIT: an open transaction of ours would be one more thing that a migration waits for.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        poll(lambda: connection.exec_driver_sql(statement).scalar())
        yield


def blocking_sessions(engine):
    if engine.dialect.name != "postgresql":
        return []
    names = ("pid", "user", "application", "client", "state", "transaction_start")
    with engine.connect() as connection:
        return [dict(zip(names, row)) for row in connection.exec_driver_sql(BLOCKERS)]


def migrate(engine, request, empty):
    if request["component"] == "auth":
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
    engine = make_engine(request["uri"], request["lock_timeout"])
    if engine.dialect.name == "sqlite":
        create_for_owner(engine.url.database)
    with upgrade_lock(engine, request["wait_timeout"]):
        with engine.connect() as connection:
            found = read_revisions(connection, request["component"])
        if found["revisions"] == [request["head"]]:
            return {"before": found["revisions"], "after": found["revisions"]}
        try:
            migrate(engine, request, empty=not found["tables"])
        except Exception as exc:
            if "LockNotAvailable" in type(getattr(exc, "orig", None)).__name__:
                exc.sessions = blocking_sessions(engine)
            raise
        with engine.connect() as connection:
            return {"before": found["revisions"], "after": read_revisions(connection, request["component"])["revisions"]}


def run(request):
    answer = os.fdopen(os.dup(1), "w")
    # Whatever MLflow prints goes to standard error: the answer has a channel of its own.
    os.dup2(2, 1)
    try:
        result = {"result": {"inspect": inspect, "upgrade": upgrade}[request["action"]](request)}
    except Exception as exc:
        cause = getattr(exc, "orig", None) or exc
        result = {
            "error": {
                "kind": type(exc).__name__,
                "cause": type(cause).__name__,
                "text": str(cause),
                "sessions": getattr(exc, "sessions", []),
            }
        }
    json.dump(result, answer)
    answer.close()
    # No teardown of whatever MLflow has started.
    sys.stderr.flush()
    os._exit(0)
