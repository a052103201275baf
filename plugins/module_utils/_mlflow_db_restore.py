# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Bring a database back to a backup that _mlflow_db_backup made, with the rights of its owner. Runs with MLflow's own Python.

PostgreSQL does it in one transaction: it has happened, or nothing has. What others made that depends on MLflow's tables makes it fail, and stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import (
    BackupError,
    check_end,
    check_sqlite,
    copy_sqlite,
    failure,
    mysql_options,
    mysql_tool,
    postgresql_tool,
    run,
    secret_file,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import APPLICATION, Connection, parameters
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import quoted, read_tables

MYSQL_CLIENT = ("mariadb", "mysql")
# All that is in the schema, but for what extensions brought. Tables go together, so that their references to each other are no hindrance.
EMPTY_POSTGRESQL = """
DO $$
DECLARE
  names text;
BEGIN
  FOR names IN
    SELECT format('DROP %s %s', kind, string_agg(name, ', ')) FROM (
      SELECT 1 AS step, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' END AS kind, oid::regclass::text AS name, oid
        FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = current_schema()::regnamespace
      UNION ALL SELECT 2, 'TABLE', oid::regclass::text, oid FROM pg_class
        WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = current_schema()::regnamespace
      UNION ALL SELECT 3, 'SEQUENCE', c.oid::regclass::text, c.oid FROM pg_class c
        WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
      UNION ALL SELECT 4, 'ROUTINE', oid::regprocedure::text, oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prokind <> 'a'
      UNION ALL SELECT 5, 'TYPE', oid::regtype::text, oid FROM pg_type WHERE typtype = 'e' AND typnamespace = current_schema()::regnamespace
    ) everything
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = everything.oid AND d.deptype = 'e')
    GROUP BY step, kind ORDER BY step
  LOOP
    EXECUTE names;
  END LOOP;
END
$$;
"""
# The last words of the stream, and what asks for them: one that was broken off ends without, also when whoever wrote it was killed.
COMPLETE = "SELECT pg_catalog.set_config('mlops_mlflow.complete', 'yes', true);\n"
IS_COMPLETE = """
DO $$
BEGIN
  IF current_setting('mlops_mlflow.complete', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION 'the backup was not read to its end';
  END IF;
END
$$;
"""
# In a list of contents: what stays in the database when its schema is emptied, and is not for the owner of tables to make.
OF_THE_DATABASE = "SCHEMA|EXTENSION|EVENT TRIGGER|PUBLICATION|PUBLICATION TABLE|SUBSCRIPTION|FOREIGN DATA WRAPPER|SERVER|USER MAPPING|PROCEDURAL LANGUAGE"
NOT_OURS = re.compile(rf"^\d+; \d+ \d+ (({OF_THE_DATABASE})|COMMENT - ({OF_THE_DATABASE})|ACL - SCHEMA|DATABASE) ")

# How a backup begins. MariaDB's may have a comment of its own first.
HEADS = {"postgresql": (b"PGDMP",), "mysql": (b"-- M", b"/*"), "sqlite": (b"SQLite format 3\0",)}


class RestoreError(Exception):
    """The database could not be brought back to the backup."""


def check_restore(connection: Connection, path: str) -> None:
    """Raise RestoreError unless the backup is there, whole, and of a database of this kind, and the tools for it are."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(16)
        if connection.kind not in RESTORE:
            raise RestoreError(f"there is no restore for {connection.kind}: use its own tools")
        if not head.startswith(HEADS[connection.kind]):
            raise RestoreError(f"{path} is no backup of a {connection.kind} database as mlflow_db_upgrade makes it")
        if connection.kind == "postgresql":
            postgresql_tool("psql", connection.server_version)
            run(postgresql_tool("pg_restore", connection.server_version), "--file=/dev/null", path)
        elif connection.kind == "mysql":
            mysql_tool(*MYSQL_CLIENT)
            check_end(path)
        else:
            check_sqlite(path)
    except (BackupError, OSError) as exc:
        raise RestoreError(str(exc)) from exc


def restore(connection: Connection, path: str, lock_timeout: int) -> None:
    """lock_timeout: seconds to wait for those who use the tables. Raises RestoreError; PostgreSQL and SQLite are then as they were."""
    try:
        RESTORE[connection.kind](connection, path, lock_timeout)
    except BackupError as exc:
        raise RestoreError(str(exc)) from exc


def restore_postgresql(connection: Connection, path: str, lock_timeout: int) -> None:
    version = connection.server_version
    pg_restore, psql = postgresql_tool("pg_restore", version), postgresql_tool("psql", version)
    contents = asyncio.run(output_of(pg_restore, "--list", path)).splitlines()
    options = parameters(connection.uri, connection.database)
    password = options.pop("password", None)
    with contextlib.ExitStack() as stack:

        def file(lines: t.Iterable[str]) -> int:
            return stack.enter_context(secret_file(lines))

        service = file(["[mlflow]"] + [f"{key}={value}" for key, value in options.items()])
        wanted = file(line for line in contents if not NOT_OURS.match(line))
        empty, complete = file([f"SET lock_timeout = '{lock_timeout}s';", EMPTY_POSTGRESQL]), file([IS_COMPLETE])
        source = [pg_restore, "--no-owner", "--exit-on-error", f"--use-list=/proc/self/fd/{wanted}", "--file=-", path]
        files = [f"--file=/proc/self/fd/{empty}", "--file=-", f"--file=/proc/self/fd/{complete}"]
        # The statement that drops all tables would hide what is wrong with one of them.
        settings = ["--set=ON_ERROR_STOP=1", "--set=SHOW_CONTEXT=never"]
        target = [psql, "--no-psqlrc", "--quiet", "--no-password", "--single-transaction", *settings, *files, "--dbname=service=mlflow"]
        environment = {"PGAPPNAME": APPLICATION, "PGSERVICEFILE": f"/proc/self/fd/{service}", **({} if password is None else {"PGPASSWORD": password})}
        asyncio.run(pipe(source, target, COMPLETE.encode(), (service, wanted, empty, complete), environment))


async def output_of(*argv: str) -> str:
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, errors = await process.communicate()
    if process.returncode:
        raise RestoreError(failure(argv[0], process.returncode, errors))
    return output.decode(errors="replace")


async def pipe(source: list[str], target: list[str], last: bytes, handles: t.Collection[int], environment: dict[str, str]) -> None:
    """Give what one program writes to another one, and `last` once the first has ended well. Raises RestoreError unless both do."""
    streams: dict[str, t.Any] = {"stderr": asyncio.subprocess.PIPE, "pass_fds": handles, "env": {**os.environ, **environment}}
    reader = await asyncio.create_subprocess_exec(*source, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, **streams)
    writer = await asyncio.create_subprocess_exec(*target, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, **streams)
    # Not None, as all of them are pipes.
    stdout, stdin = t.cast(asyncio.StreamReader, reader.stdout), t.cast(asyncio.StreamWriter, writer.stdin)
    errors = asyncio.gather(*(t.cast(asyncio.StreamReader, process.stderr).read() for process in (reader, writer)))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while part := await stdout.read(1 << 16):
            stdin.write(part)
            await stdin.drain()
        if not await reader.wait():
            stdin.write(last)
            await stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.close()
        await stdin.wait_closed()
    written = await writer.wait()
    if written and reader.returncode is None:
        # It would wait for somebody to read on.
        with contextlib.suppress(ProcessLookupError):
            reader.kill()
    # What nobody wants any more must be read: asyncio waits for the end of a process until its output is.
    while await stdout.read(1 << 16):
        pass
    await reader.wait()
    of_reader, of_writer = await errors
    # Where the writer was first to fail, the reader only had nobody to write to.
    if written and (reader.returncode in (0, -9) or b"not read to its end" not in of_writer):
        raise RestoreError(failure(target[0], written, of_writer))
    if reader.returncode:
        raise RestoreError(failure(source[0], reader.returncode, of_reader))


def restore_mysql(connection: Connection, path: str, lock_timeout: int) -> None:
    """Not in one transaction: a failure leaves it half done, and the backup as it is."""
    names = ", ".join(quoted(connection, table) for table in sorted(read_tables(connection)))
    connection.rows(f"SET SESSION foreign_key_checks = 0, SESSION lock_wait_timeout = {lock_timeout}")
    if names:
        connection.rows(f"DROP TABLE {names}")
    with secret_file(mysql_options(parameters(connection.uri, connection.database))) as handle:
        source = ["cat", path]
        target = [mysql_tool(*MYSQL_CLIENT), f"--defaults-file=/proc/self/fd/{handle}", connection.database]
        asyncio.run(pipe(source, target, b"", [handle], {}))


def restore_sqlite(connection: Connection, path: str, lock_timeout: int) -> None:
    """Through SQLite itself, page by page in one transaction: who has the file open sees the content of before or of the backup."""
    copy_sqlite(path, connection.database)


RESTORE: dict[str, t.Callable[[Connection, str, int], None]] = {"postgresql": restore_postgresql, "mysql": restore_mysql, "sqlite": restore_sqlite}
