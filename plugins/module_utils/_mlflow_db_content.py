# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What is in an MLflow database, in a form that can be compared. Runs with MLflow's own Python.

A row is a line as PostgreSQL's COPY has it, whichever database it is in: what is sent to PostgreSQL is what is compared afterwards.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import MOVED_ROWS
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection

TABLES = {
    "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace",
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    "mssql": "SELECT table_name FROM information_schema.tables WHERE table_schema = SCHEMA_NAME() AND table_type = 'BASE TABLE'",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
}

# A column that the database computes by itself is no content.
COLUMNS = {
    "postgresql": """
SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute
WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
""",
    "sqlite": "PRAGMA table_xinfo({table})",
}
# How MLflow's types are called in a SQLite file, and in PostgreSQL.
SQLITE_TYPES = {"BIGINT": "bigint", "BLOB": "bytea", "BOOLEAN": "boolean", "DATE": "date", "FLOAT": "double precision", "INTEGER": "integer", "JSON": "json"}
SQLITE_TYPES |= {"TEXT": "text", "VARCHAR": "character varying"}
INTEGERS = {"smallint": 1 << 15, "integer": 1 << 31, "bigint": 1 << 63}

# What COPY writes in another way.
ESCAPED = str.maketrans({"\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"})
NULL = "\\N"
# What Python's JSON has and others have not, with the strings that it may stand in.
JSON_CONSTANT = re.compile(r'("(?:[^"\\]|\\.)*")|NaN|-?Infinity')


class Unfit(Exception):
    """A value that PostgreSQL would not take, or not as it is."""

    def __init__(self, problem: str, remedy: t.Any = None) -> None:
        """remedy: the nearest value that it takes, if there is one."""
        super().__init__(problem)
        self.remedy = remedy


class Column(t.NamedTuple):
    name: str
    # As PostgreSQL calls it.
    type: str
    nullable: bool


def read_tables(connection: Connection) -> set[str]:
    return {row[0] for row in connection.rows(TABLES[connection.kind])}


def quoted(connection: Connection, name: str) -> str:
    quote = "`" if connection.kind == "mysql" else '"'
    return quote + name.replace(quote, quote * 2) + quote


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {name: connection.value(f"SELECT COUNT(*) FROM {quoted(connection, name)}") for name in sorted(read_tables(connection))}


def movable(connection: Connection) -> dict[str, int]:
    """How many rows of these tables migrations may take away without a loss."""
    found = {}
    for name in read_tables(connection) & set(MOVED_ROWS):
        keys = ", ".join(f"'{key}'" for key in MOVED_ROWS[name])
        found[name] = connection.value(f"SELECT COUNT(*) FROM {quoted(connection, name)} WHERE {quoted(connection, 'key')} IN ({keys})")
    return found


# Whatever the settings of server, login and database, the text of a row is the same.
SAME_TEXT = "SET SESSION {} = '{}'"
SETTINGS = {"datestyle": "ISO", "timezone": "UTC", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "1"}
DIGEST = "coalesce(sum(('x' || left(md5(a_row::text), 16))::bit(64)::bigint::numeric), 0)"


def digests(connection: Connection, tables: t.Iterable[str]) -> dict[str, str]:
    """A number for each table of a PostgreSQL database that is another one when a row is, whatever their order. The server works it out."""
    for name, value in SETTINGS.items():
        connection.rows(SAME_TEXT.format(name, value))
    return {table: str(connection.value(f"SELECT {DIGEST} FROM {quoted(connection, table)} a_row")) for table in tables}


def read_columns(connection: Connection, table: str) -> list[Column]:
    """Those that hold content, in the order of the table."""
    statement = COLUMNS[connection.kind].format(table=quoted(connection, table).replace("'", "''"))
    if connection.kind == "postgresql":
        return [Column(*row) for row in connection.rows(statement)]
    found = []
    for _number, name, declared, required, _default, key, hidden in connection.rows(statement):
        word, bracket, length = declared.partition("(")
        if not hidden:
            found.append(Column(name, SQLITE_TYPES.get(word, word) + bracket + length, not (required or key)))
    return found


def fitter(column: Column) -> t.Callable[[t.Any], str]:
    """The function that writes a value of SQLite as COPY wants it, or raises Unfit."""
    word, _bracket, length = column.type.partition("(")
    limit = int(length.rstrip(")")) if length else None

    def integer(value: t.Any) -> str:
        if isinstance(value, int) and -bound <= value < bound:
            return str(value)
        if isinstance(value, (int, float)):
            raise Unfit(f"{value} does not fit into the type {word}")
        return other(value, "a number")

    def boolean(value: t.Any) -> str:
        if isinstance(value, int) and value in (0, 1):
            return "t" if value else "f"
        return other(value, "0 or 1")

    def double(value: t.Any) -> str:
        return repr(value) if isinstance(value, float) else other(value, "a floating-point number")

    def text(value: t.Any) -> str:
        if not isinstance(value, str):
            return other(value, "text")
        if limit is not None and len(value) > limit:
            raise Unfit(f"{len(value)} characters, and {limit} are possible")
        # Nearly all that is stored.
        if value.isascii() and value.isprintable() and "\\" not in value:
            return value
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit("no valid UTF-8", value.encode(errors="surrogateescape").decode(errors="replace")) from None
        if "\0" in value:
            raise Unfit("a NUL character", value.replace("\0", "\ufffd"))
        return value.translate(ESCAPED)

    def document(value: t.Any) -> str:
        line = text(value)
        try:
            if value is not None:
                json.loads(value, parse_constant=refuse_constant, parse_int=str, parse_float=str)
        except Unfit as problem:
            raise Unfit(str(problem), JSON_CONSTANT.sub(lambda match: match[1] or "null", value)) from None
        except (ValueError, RecursionError) as exc:
            raise Unfit(f"no valid JSON: {exc}") from None
        return line

    def binary(value: t.Any) -> str:
        return f"\\\\x{value.hex()}" if isinstance(value, bytes) else other(value, "binary data")

    def date(value: t.Any) -> str:
        with contextlib.suppress(TypeError, ValueError):
            return datetime.date.fromisoformat(value).isoformat()
        return other(value, "a date")

    def other(value: t.Any, wanted: str) -> str:
        if value is not None:
            raise Unfit(f"{describe(value)} in place of {wanted}")
        if not column.nullable:
            raise Unfit("nothing, where something must be")
        return NULL

    if word in INTEGERS:
        bound = INTEGERS[word]
        return integer
    known = {"boolean": boolean, "double precision": double, "json": document, "bytea": binary, "date": date, "text": text, "character varying": text}
    if word not in known:
        raise TypeError(f"the type {column.type} of the column {column.name} is not known here")
    return known[word]


def refuse_constant(name: str) -> t.NoReturn:
    raise Unfit(f"JSON with {name}, which is in no standard")


def describe(value: t.Any) -> str:
    names = {str: "text", bytes: "binary data", int: "an integer", float: "a floating-point number"}
    return names.get(type(value), type(value).__name__)


def sqlite_rows(connection: Connection, table: str, names: t.Iterable[str]) -> t.Iterator[tuple[t.Any, ...]]:
    cursor = connection.connection.cursor()
    yield from cursor.execute(f"SELECT {', '.join(quoted(connection, name) for name in names)} FROM {quoted(connection, table)}")


def sqlite_lines(connection: Connection, table: str, columns: t.Sequence[Column]) -> t.Iterator[bytes]:
    """Each row of a SQLite table as COPY takes it. Raises Unfit."""
    fitters = [fitter(column) for column in columns]
    connection.connection.text_factory = str
    for row in sqlite_rows(connection, table, [column.name for column in columns]):
        yield "\t".join([fit(value) for fit, value in zip(fitters, row)]).encode()


class Digest:
    """Of lines in any order: two databases have no common one."""

    def __init__(self) -> None:
        self.rows = 0
        self.sum = 0

    def add(self, line: bytes) -> None:
        self.rows += 1
        self.sum += int.from_bytes(hashlib.sha256(line).digest(), "big")

    @property
    def result(self) -> tuple[int, str]:
        return self.rows, f"{self.sum % (1 << 256):064x}"


def with_floats(line: bytes, floats: list[int]) -> bytes:
    """A line of PostgreSQL in which numbers are written as Python does: both use few digits that mean the same number, but not always the same ones."""
    values = line.split(b"\t")
    for number in floats:
        if values[number] != NULL.encode():
            values[number] = repr(float(values[number])).encode()
    return b"\t".join(values)


def content_hash(connection: Connection, table: str, columns: t.Sequence[Column] | None = None) -> tuple[int, str]:
    """How many rows a table has, and a word for what is in them, the same in SQLite and in PostgreSQL. columns: those of another database, else its own."""
    columns = columns or read_columns(connection, table)
    digest = Digest()
    if connection.kind == "sqlite":
        for line in sqlite_lines(connection, table, columns):
            digest.add(line)
        return digest.result
    floats = [number for number, column in enumerate(columns) if column.type == "double precision"]
    rest = b""

    def receive(block: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            digest.add(with_floats(line, floats) if floats else line)

    for setting in ("client_encoding = 'UTF8'", "datestyle = 'ISO'", "bytea_output = 'hex'", "extra_float_digits = 1"):
        connection.rows(f"SET {setting}")
    names = ", ".join(quoted(connection, column.name) for column in columns)
    connection.copy_out(f"COPY {quoted(connection, table)} ({names}) TO STDOUT", receive)
    return digest.result
