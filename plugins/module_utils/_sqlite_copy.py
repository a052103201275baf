# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What is in a SQLite file of MLflow goes to PostgreSQL: all of it, proven, or nothing. Runs with MLflow's own Python.

The file itself is only read, and not by SQLite, which would tidy up in it. All repairs are made in the copy, which has the schema of the target by then.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import DEFAULT_ROWS, EXPERIMENT_NUMBERS
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import BackupError, check_sqlite
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import (
    INTEGERS,
    Digest,
    Unfit,
    content_hash,
    fitter,
    quoted,
    read_columns,
    read_tables,
    sqlite_lines,
    sqlite_rows,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import sha256_of

HEAD = b"SQLite format 3\0"
# What belongs to the file when its last user was killed.
JOURNALS = ("-wal", "-journal")
# How much of the findings and of a value is told: enough to find the row.
MOST_FINDINGS = 1000
MOST_CHARACTERS = 100
BLOCK = 1 << 18

FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace ORDER BY 1, 2
"""
# Serial and identity columns: table, column, sequence.
SEQUENCES = """
SELECT * FROM (
  SELECT relname, attname, pg_get_serial_sequence(quote_ident(relname), attname) AS sequence FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
) columns WHERE sequence IS NOT NULL ORDER BY 1, 2
"""


class SqliteError(Exception):
    """The content of a SQLite file could not be brought to PostgreSQL."""


def take(source: str, copy: str) -> dict[str, str]:
    """Copy the file with its journals, which nobody must write to; returns the SHA-256 of each. Raises SqliteError."""
    try:
        with open(source, "rb") as stream:
            if stream.read(len(HEAD)) != HEAD:
                raise SqliteError(f"{source} is no SQLite file")
        parts = [suffix for suffix in ("", *JOURNALS) if os.path.exists(source + suffix)]
        size = sum(os.path.getsize(source + suffix) for suffix in parts)
        room = os.statvfs(os.path.dirname(copy))
        # Migrations write tables anew.
        if room.f_bavail * room.f_frsize < 2 * size:
            raise SqliteError(f"{os.path.dirname(copy)} has {room.f_bavail * room.f_frsize >> 20} MiB left, and a copy of {source} may need {size >> 19} MiB")
        for suffix in parts:
            shutil.copyfile(source + suffix, copy + suffix)
        sums = sums_of(source)
        if sums_of(copy) != sums:
            raise SqliteError(f"{source} changed while it was read: stop the server that uses it")
        check_sqlite(copy)
    except OSError as exc:
        raise SqliteError(f"{source} cannot be copied: {exc}") from exc
    except BackupError as exc:
        raise SqliteError(str(exc).replace(copy, source)) from exc
    return sums


def sums_of(path: str) -> dict[str, str]:
    """The SHA-256 of a SQLite file and of each journal that is there."""
    return {suffix: sha256_of(path + suffix) for suffix in ("", *JOURNALS) if os.path.exists(path + suffix)}


class Findings:
    """What PostgreSQL would not take, row by row, and what was done about it."""

    def __init__(self) -> None:
        self.listed: list[dict[str, t.Any]] = []
        self.total = 0
        self.refused = 0

    def add(self, table: str, key: dict[str, t.Any], column: str | None, problem: str, action: str) -> None:
        self.total += 1
        self.refused += action == "refused"
        if len(self.listed) < MOST_FINDINGS:
            self.listed.append(
                {"table": table, "key": {name: readable(value) for name, value in key.items()}, "column": column, "problem": problem, "action": action}
            )


def readable(value: t.Any) -> t.Any:
    if isinstance(value, bytes):
        value = value.hex()
    # Bytes that are no UTF-8 as \xff.
    return value[:MOST_CHARACTERS].encode(errors="surrogateescape").decode(errors="backslashreplace") if isinstance(value, str) else value


def key_columns(source: Connection, table: str) -> list[str]:
    parts = sorted((row[5], row[1]) for row in source.rows(f"PRAGMA table_info({quoted(source, table)})") if row[5])
    return [name for _place, name in parts] or ["rowid"]


def examine(source: Connection, orphans: str, invalid_text: str, large_experiments: str, aside: str | None) -> dict[str, t.Any]:
    """Find what PostgreSQL would refuse, and repair in the copy what may be repaired."""
    findings = Findings()
    source.connection.text_factory = with_surrogates
    if orphans == "keep_aside":
        source.rows("ATTACH '" + str(aside).replace("'", "''") + "' AS aside")
    source.rows("BEGIN")
    while examine_orphans(source, orphans, findings) and orphans != "refuse":
        # Without a row, others may have lost the one that they refer to.
        pass
    if large_experiments == "renumber" and "experiments" in read_tables(source):
        renumber_experiments(source, findings)
    for table in sorted(read_tables(source)):
        examine_values(source, table, invalid_text == "replace", findings)
    source.rows("COMMIT")
    return {"findings": findings.listed, "total": findings.total, "refused": findings.refused}


def examine_orphans(source: Connection, choice: str, findings: Findings) -> int:
    """Rows that refer to others which are not there, as SQLite lets them be."""
    found: dict[tuple[str, int], str] = {}
    for table, rowid, parent, _number in source.rows("PRAGMA foreign_key_check"):
        found.setdefault((table, rowid), parent)
    for (table, rowid), parent in found.items():
        name = quoted(source, table)
        keys = key_columns(source, table)
        (key,) = source.rows(f"SELECT {', '.join(quoted(source, column) for column in keys)} FROM {name} WHERE rowid = {rowid}")
        action = {"refuse": "refused", "drop": "left out", "keep_aside": "kept aside"}[choice]
        findings.add(table, dict(zip(keys, key)), None, f"refers to a row of {parent} that is not there", action)
        if choice == "keep_aside":
            source.rows(f"CREATE TABLE IF NOT EXISTS aside.{name} AS SELECT * FROM {name} WHERE 0")
            source.rows(f"INSERT INTO aside.{name} SELECT * FROM {name} WHERE rowid = {rowid}")
        if choice != "refuse":
            source.rows(f"DELETE FROM {name} WHERE rowid = {rowid}")
    return len(found)


def renumber_experiments(source: Connection, findings: Findings) -> None:
    """A folder mlruns has numbers of 18 digits, and SQLite takes them. They get the next ones that are free."""
    limit = INTEGERS["integer"]
    following = source.value(f"SELECT coalesce(max(experiment_id), 0) + 1 FROM experiments WHERE experiment_id < {limit}")
    large = [row[0] for row in source.rows(f"SELECT experiment_id FROM experiments WHERE experiment_id >= {limit} ORDER BY creation_time, experiment_id")]
    source.rows("CREATE TEMP TABLE numbers (old INTEGER PRIMARY KEY, new INTEGER)")
    for new, old in enumerate(large, following):
        source.rows(f"INSERT INTO numbers VALUES ({old}, {new})")
        findings.add("experiments", {"experiment_id": old}, "experiment_id", f"does not fit into the type integer, and is {new} from now on", "renumbered")
    for table, column, condition in experiment_numbers(source):
        source.rows(
            f"UPDATE {table} SET {column} = (SELECT new FROM numbers WHERE old = {column}) "
            f"WHERE {condition} AND {column} IN (SELECT {'old' if condition == '1' else 'CAST(old AS TEXT)'} FROM numbers)"
        )


def experiment_numbers(source: Connection) -> list[tuple[str, str, str]]:
    """Where the number of an experiment stands: table, column, condition on the row."""
    tables = sorted(content_tables(source))
    columns = [(table, column, "1") for table in tables for column in read_columns(source, table) if column[:2] == ("experiment_id", "integer")]
    return [(table, column.name, condition) for table, column, condition in columns] + [place for place in EXPERIMENT_NUMBERS if place[0] in tables]


def with_surrogates(text: bytes) -> str:
    """One for each byte that is no UTF-8, so that text can be told from binary data, and be named."""
    return text.decode(errors="surrogateescape")


def examine_values(source: Connection, table: str, replace: bool, findings: Findings) -> None:
    columns = read_columns(source, table)
    try:
        fitters = [fitter(column) for column in columns]
    except TypeError as exc:
        findings.add(table, {}, None, str(exc), "refused")
        return
    keys = key_columns(source, table)
    repairs = []
    for rowid, *row in sqlite_rows(source, table, ["rowid", *(column.name for column in columns)]):
        try:
            for fit, value in zip(fitters, row):
                fit(value)
        except Unfit:
            values = {"rowid": rowid, **{column.name: value for column, value in zip(columns, row)}}
            key = {name: values[name] for name in keys}
            for column, fit, value in zip(columns, fitters, row):
                problem, remedy = examine_value(fit, value)
                if problem:
                    replaced = replace and remedy is not None
                    findings.add(table, key, column.name, problem, "replaced" if replaced else "refused")
                    if replaced:
                        repairs.append((f"UPDATE {quoted(source, table)} SET {quoted(source, column.name)} = ? WHERE rowid = ?", (remedy, rowid)))
    for repair in repairs:
        source.connection.execute(*repair)


def examine_value(fit: t.Callable[[t.Any], str], value: t.Any) -> tuple[str, t.Any]:
    """What is wrong with a value, and what could stand in its place. One problem may hide another one."""
    try:
        fit(value)
    except Unfit as exc:
        if exc.remedy is None:
            return str(exc), None
        problem, remedy = examine_value(fit, exc.remedy)
        return (f"{exc}; {problem}", remedy) if problem else (str(exc), exc.remedy)
    return "", None


def content_tables(connection: Connection) -> set[str]:
    """All but those in which alembic keeps the revision, which is compared by itself."""
    return {table for table in read_tables(connection) if not table.startswith("alembic_version")}


def is_fresh(target: Connection) -> bool:
    """Whether there is nothing in it but what MLflow itself makes."""
    for table in content_tables(target):
        others = f" WHERE NOT ({DEFAULT_ROWS[table]})" if table in DEFAULT_ROWS else ""
        if target.rows(f"SELECT 1 FROM {quoted(target, table)}{others} LIMIT 1"):
            return False
    return True


def compare(source: Connection, target: Connection) -> list[dict[str, t.Any]]:
    """The tables of both, with rows and hash of each side."""
    found = []
    for table in sorted(content_tables(target)):
        columns = read_columns(target, table)
        found.append({"name": table, "source": content_hash(source, table, columns), "target": content_hash(target, table, columns)})
    return found


def blocks_of(lines: t.Iterable[bytes], digest: Digest) -> t.Iterator[bytes]:
    waiting = []
    size = 0
    for line in lines:
        digest.add(line)
        waiting.append(line)
        size += len(line)
        if size > BLOCK:
            yield b"\n".join([*waiting, b""])
            waiting, size = [], 0
    if waiting:
        yield b"\n".join([*waiting, b""])


def check_schemas(source: Connection, target: Connection) -> None:
    ours, theirs = content_tables(source), content_tables(target)
    if ours - theirs:
        raise SqliteError(f"MLflow knows no table {', '.join(sorted(ours - theirs))}: drop what is not MLflow's in a copy of the file, and import that")
    if theirs - ours:
        raise SqliteError(f"the file lacks the table {', '.join(sorted(theirs - ours))}")
    for table in sorted(theirs):
        differing = {column.name for column in read_columns(source, table)} ^ {column.name for column in read_columns(target, table)}
        if differing:
            raise SqliteError(f"the table {table} is another one than MLflow's: {', '.join(sorted(differing))}")


@contextlib.contextmanager
def transaction(target: Connection) -> t.Iterator[None]:
    target.rows("BEGIN")
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            target.rows("ROLLBACK")
        raise
    target.rows("COMMIT")


def copy(source: Connection, target: Connection, unchanged: t.Callable[[], None]) -> list[dict[str, t.Any]]:
    """In one transaction, which ends well only if all is there. unchanged raises when somebody has written to the source meanwhile."""
    tables = sorted(content_tables(target))
    names = ", ".join(quoted(target, table) for table in tables)
    copied = []
    with transaction(target):
        target.rows(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        if not is_fresh(target):
            raise SqliteError("somebody has written to it meanwhile")
        keys = target.rows(FOREIGN_KEYS)
        for table, name, _definition, _valid in keys:
            target.rows(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        target.rows(f"TRUNCATE {names}")
        for table in tables:
            columns = read_columns(target, table)
            digest = Digest()
            listed = ", ".join(quoted(target, column.name) for column in columns)
            statement = f"COPY {quoted(target, table)} ({listed}) FROM STDIN WITH (FREEZE, ENCODING 'UTF8')"
            target.copy_in(statement, blocks_of(sqlite_lines(source, table, columns), digest))
            rows, word = digest.result
            if content_hash(target, table, columns) != (rows, word):
                raise SqliteError(f"the table {table} is not the same after the copy")
            copied.append({"name": table, "rows": rows, "hash": word})
        for table, name, definition, _valid in keys:
            target.rows(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        if target.rows(FOREIGN_KEYS) != keys:
            raise SqliteError("the foreign keys are not the same after the copy")
        set_sequences(target)
        target.rows(f"ANALYZE {names}")
        unchanged()
    return copied


def set_sequences(target: Connection) -> None:
    """Whoever adds a row gets a number that is free. Not by setval(), which outlives a transaction that fails."""
    for table, column, sequence in target.rows(SEQUENCES):
        following = target.value(f"SELECT coalesce(max({quoted(target, column)}), 0) + 1 FROM {quoted(target, table)}")
        target.rows(f"ALTER SEQUENCE {sequence} RESTART WITH {max(following, 1)}")
