# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""A plain connection to an MLflow database, without SQLAlchemy, whose import takes as long as everything else. Runs with MLflow's own Python."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import Uri

CONNECT_TIMEOUT = 10
# One for each process: what it does is found again in the server's list of sessions.
APPLICATION = f"mlops.mlflow upgrade {os.getpid()}"

# And the ones that have no such name: what MySQL calls them.
OWN_SESSIONS: set[int] = set()

# What every connection of an upgrade is told, also those that MLflow opens.
SESSION = {
    "postgresql": [
        "SET SESSION lock_timeout = '{lock_timeout}s'",
        f"SET SESSION application_name = '{APPLICATION}'",
        # Where the server can: it ends the work of a client that was killed.
        "SELECT set_config('client_connection_check_interval', '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'",
    ],
    "mysql": ["SET SESSION lock_wait_timeout = {lock_timeout}, SESSION innodb_lock_wait_timeout = {lock_timeout}"],
    "mssql": ["SET LOCK_TIMEOUT {lock_timeout}000"],
    "sqlite": ["PRAGMA busy_timeout = {lock_timeout}000"],
}

VERSION = {
    "postgresql": "SHOW server_version",
    "mysql": "SELECT VERSION()",
    "mssql": "SELECT CAST(SERVERPROPERTY('ProductVersion') AS varchar)",
    "sqlite": "SELECT sqlite_version()",
}


def session_statements(kind: str, lock_timeout: int) -> list[str]:
    return [statement.format(lock_timeout=lock_timeout) for statement in SESSION[kind]]


def parameters(uri: Uri, database: str | None = None) -> dict[str, t.Any]:
    """What the driver's connect() takes, as SQLAlchemy reads it from the URI."""
    found = {"host": uri.host.strip("[]"), "port": uri.port and int(uri.port), "user": uri.user, "password": uri.password}
    found = {name: value for name, value in found.items() if value not in ("", None)}
    database = database or uri.database
    query = dict(uri.query)
    if uri.kind == "postgresql":
        hosts = query.pop("host", [])
        if len(hosts) > 1:
            pairs = [host.partition(":") for host in hosts]
            found.update(host=",".join(pair[0] for pair in pairs), port=",".join(pair[2] for pair in pairs))
        elif hosts:
            found["host"] = hosts[0]
        return {"dbname": database, "connect_timeout": CONNECT_TIMEOUT, **found, **{name: values[-1] for name, values in query.items()}}
    query = {name: values[-1] for name, values in query.items()}
    if uri.kind == "mysql":
        tls = {name[4:]: query.pop(name) for name in ("ssl_ca", "ssl_cert", "ssl_key", "ssl_capath", "ssl_cipher") if name in query}
        if "ssl_check_hostname" in query:
            tls["check_hostname"] = query.pop("ssl_check_hostname").lower() in ("1", "true", "yes", "on")
        found.update({"ssl": tls} if tls else {})
        numbers = ("connect_timeout", "read_timeout", "write_timeout", "client_flag")
        return {
            "database": database,
            "connect_timeout": CONNECT_TIMEOUT,
            **found,
            **{name: int(value) if name in numbers else value for name, value in query.items()},
        }
    if "port" in found:
        found["host"] = f"{found.get('host', '')}:{found.pop('port')}"
    return {"database": database, "login_timeout": CONNECT_TIMEOUT, **found, **query}


def connect(uri: Uri, database: str | None = None) -> t.Any:
    """A connection of the driver that the URI names, where every statement is a transaction of its own."""
    if uri.kind == "sqlite":
        import sqlite3

        return sqlite3.connect(database or uri.database, isolation_level=None)
    if uri.scheme == "postgresql+psycopg2":
        import psycopg2

        connection = psycopg2.connect(**parameters(uri, database))
        connection.autocommit = True
        return connection
    if uri.scheme == "postgresql+psycopg":
        import psycopg

        return psycopg.connect(autocommit=True, **parameters(uri, database))
    if uri.scheme == "mysql+pymysql":
        import pymysql

        connection = pymysql.connect(autocommit=True, **parameters(uri, database))
        OWN_SESSIONS.add(connection.thread_id())
        return connection
    import pymssql

    return pymssql.connect(autocommit=True, **parameters(uri, database))


class Stream:
    """What psycopg2 takes for a file. psycopg, its successor, needs none."""

    def __init__(self, blocks: t.Iterable[bytes], sink: t.Callable[[bytes], t.Any] | None = None) -> None:
        self.blocks = iter(blocks)
        self.write = sink

    def read(self, size: int) -> bytes:
        return next(self.blocks, b"")


class Connection:
    """One session. To be used as a context manager."""

    def __init__(self, uri: str, database: str | None = None, lock_timeout: int | None = None) -> None:
        """uri is its text. lock_timeout is in seconds and set for upgrades only."""
        self.uri = Uri(uri)
        self.kind = self.uri.kind
        self.database = database or self.uri.database
        self.connection = connect(self.uri, database)
        for statement in session_statements(self.kind, lock_timeout) if lock_timeout is not None else []:
            self.rows(statement)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *unused: object) -> None:
        self.connection.close()

    def rows(self, statement: str) -> list[tuple[t.Any, ...]]:
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    def change(self, statement: str, values: tuple[t.Any, ...]) -> int:
        """A statement with a value for each %s; returns how many rows it changed."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(statement.replace("%s", "?") if self.kind == "sqlite" else statement, values)
            return t.cast(int, cursor.rowcount)

    def values(self, statement: str, values: tuple[t.Any, ...]) -> list[tuple[t.Any, ...]]:
        """The rows of a statement with a value for each %s."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(statement.replace("%s", "?") if self.kind == "sqlite" else statement, values)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        """All that is done in it, or nothing: an error ends the session, and with it the transaction."""
        self.rows("BEGIN TRANSACTION" if self.kind == "mssql" else "BEGIN")
        yield
        self.rows("COMMIT")

    def value(self, statement: str) -> t.Any:
        rows = self.rows(statement)
        return rows[0][0] if rows else None

    def columns(self, table: str) -> list[str]:
        """The names of the columns of one of MLflow's tables."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")
            return [column[0] for column in cursor.description]
        finally:
            cursor.close()

    def copy_in(self, statement: str, blocks: t.Iterable[bytes]) -> None:
        """COPY ... FROM STDIN of PostgreSQL."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            if hasattr(cursor, "copy"):
                with cursor.copy(statement) as copy:
                    for block in blocks:
                        copy.write(block)
            else:
                cursor.copy_expert(statement, Stream(blocks))

    def copy_out(self, statement: str, sink: t.Callable[[bytes], t.Any]) -> None:
        """COPY ... TO STDOUT of PostgreSQL."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            if hasattr(cursor, "copy"):
                with cursor.copy(statement) as copy:
                    for block in copy:
                        sink(bytes(block))
            else:
                cursor.copy_expert(statement, Stream((), sink))

    @property
    def server_version(self) -> str:
        return re.findall(r"^[\d.]+", self.value(VERSION[self.kind]))[0]
