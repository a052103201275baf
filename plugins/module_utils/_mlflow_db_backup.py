# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Backups of an MLflow database, made and read again by the tools of its server. Runs with MLflow's own Python."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import re
import shutil
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection, parameters

SUFFIXES = {"postgresql": ".dump", "mysql": ".sql", "sqlite": ".db"}
MYSQL_DUMP = ("mariadb-dump", "mysqldump")

SIZES = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}


# What others keep beside MLflow's tables: this login may not even be able to read it.
OTHER_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname <> current_schema() AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"


class BackupError(Exception):
    """There can be no backup, or the one that was made is no good."""


def size_of(connection: Connection) -> int | None:
    """Bytes that the database takes, as far as its server says so."""
    return int(connection.value(SIZES[connection.kind]) or 0) if connection.kind in SIZES else None


def check_backup(connection: Connection, folder: str) -> None:
    """Raise BackupError unless the folder can take a backup of this database and the tool for it is there."""
    kind = connection.kind
    if kind not in SUFFIXES:
        raise BackupError(f"there is no backup for {kind}: save the database with its own tools, and use backup: none")
    parent = folder
    while not os.path.exists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise BackupError(f"{parent} is not a folder")
    if kind == "postgresql":
        postgresql_tool("pg_dump", connection.server_version)
        postgresql_tool("pg_restore", connection.server_version)
    elif kind == "mysql":
        mysql_tool(*MYSQL_DUMP)
    needed = size_of(connection) or 0
    room = os.statvfs(parent)
    free = room.f_bavail * room.f_frsize
    if free < needed:
        raise BackupError(f"the backup may need {needed // 2**20 + 1} MiB, and {folder} has {free // 2**20} MiB left")


def make_backup(connection: Connection, path: str, lock_timeout: int, snapshot: str = "") -> None:
    """Write the backup, read it again, and only then give it its name. lock_timeout: seconds that pg_dump waits for a locked table.

    snapshot: what PostgreSQL has exported, so that others can know what is in the backup.
    """
    check_backup(connection, os.path.dirname(path))
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.part"
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        if connection.kind == "postgresql":
            dump_postgresql(connection, part, lock_timeout, snapshot)
        elif connection.kind == "mysql":
            dump_mysql(connection, part)
        else:
            copy_sqlite(connection.database, part)
        with open(part, "rb") as stream:
            os.fsync(stream.fileno())
        os.rename(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def run(*argv: str, handles: t.Collection[int] = (), **environment: str) -> None:
    """A command of the machine, while this process holds the upgrade lock. It gets the handles. Raises BackupError with what it says."""

    async def call() -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, **environment},
            pass_fds=handles,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[1], process.returncode

    errors, status = asyncio.run(call())
    if status:
        raise BackupError(failure(argv[0], status, errors))


def failure(program: str, status: int | None, errors: bytes) -> str:
    return f"{os.path.basename(program)} ended with exit status {status}: {errors.decode(errors='replace').strip()[-1000:]}"


@contextlib.contextmanager
def secret_file(lines: t.Iterable[str]) -> t.Any:
    """A file that is in memory alone and that only a child can find: arguments are for all to see, and a killed process leaves files behind."""
    handle = os.memfd_create("mlflow-db")
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, "".join(f"{line}\n" for line in lines).encode())
        yield handle
    finally:
        os.close(handle)


def postgresql_tool(name: str, server: str) -> t.Any:
    """The oldest that is new enough: a newer pg_dump writes what the server's own pg_restore may not read."""
    found = {}
    for path in glob.glob(f"/usr/lib/postgresql/*/bin/{name}") + glob.glob(f"/usr/pgsql-*/bin/{name}"):
        found[int(re.findall(r"(\d+)/bin/", path)[0])] = path
    usable = [version for version in sorted(found) if version >= int(server.partition(".")[0])]
    # Other distributions have one in the PATH, which itself refuses a server that is too new.
    tool = found[usable[0]] if usable else None if found else shutil.which(name)
    if not tool:
        raise BackupError(
            f"{name} is missing or too old: install the PostgreSQL client (Debian: postgresql-client), version {server.partition('.')[0]} or newer"
        )
    return tool


def dump_postgresql(connection: Connection, path: str, lock_timeout: int, snapshot: str = "") -> None:
    options = parameters(connection.uri)
    password = options.pop("password", None)
    others = ['"' + row[0].replace('"', '""') + '"' for row in connection.rows(OTHER_SCHEMAS)]
    service = ["[mlflow]"] + [f"{key}={value}" for key, value in options.items()]
    with secret_file(service) as handle:
        run(
            postgresql_tool("pg_dump", connection.server_version),
            "--format=custom",
            "--no-password",
            f"--lock-wait-timeout={lock_timeout}s",
            *([f"--snapshot={snapshot}"] if snapshot else []),
            *(f"--exclude-schema={name}" for name in others),
            f"--file={path}",
            "--dbname=service=mlflow",
            handles=[handle],
            PGSERVICEFILE=f"/proc/self/fd/{handle}",
            **({} if password is None else {"PGPASSWORD": password}),
        )
    # Not only its table of contents, but all that is in it.
    run(postgresql_tool("pg_restore", connection.server_version), "--file=/dev/null", path)


def mysql_tool(*names: str) -> str:
    """The first of these programs that is installed, MariaDB's before MySQL's."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise BackupError(f"neither {' nor '.join(names)} is installed: install the client of the server (Debian: mariadb-client)")


def mysql_options(options: dict[str, t.Any]) -> t.Any:
    """The connection as lines of an option file."""
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "unix_socket": "socket"}
    values = {names[key]: value for key, value in options.items() if key in names}
    ssl = options.get("ssl") or {}
    values.update({f"ssl-{key}": ssl[key] for key in ("ca", "cert", "key") if key in ssl})

    def quoted(value: str) -> str:
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    return ["[client]"] + [f"{key}={quoted(value)}" for key, value in values.items()]


def dump_mysql(connection: Connection, path: str) -> None:
    with secret_file(mysql_options(parameters(connection.uri))) as handle:
        run(
            mysql_tool(*MYSQL_DUMP),
            f"--defaults-file=/proc/self/fd/{handle}",
            "--single-transaction",
            "--hex-blob",
            "--routines",
            "--triggers",
            "--no-tablespaces",
            f"--result-file={path}",
            connection.database,
            handles=[handle],
        )
    check_end(path)


def check_end(path: str) -> None:
    """Raise BackupError unless the SQL text of a MySQL or MariaDB database is whole."""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - 200))
        if b"-- Dump completed" not in stream.read():
            raise BackupError("the dump ends before its end")


def copy_sqlite(database: str, path: str) -> None:
    import sqlite3

    with contextlib.closing(sqlite3.connect(database)) as source, contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)
    check_sqlite(path)


def check_sqlite(path: str) -> None:
    """Raise BackupError unless a SQLite file is whole."""
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as exc:
        verdict = str(exc)
    if verdict != "ok":
        raise BackupError(f"{path} is damaged: {verdict}")
