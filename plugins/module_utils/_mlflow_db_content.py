# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What is in an MLflow database, in a form that can be compared. Runs with MLflow's own Python."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection

TABLES = {
    "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace",
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    "mssql": "SELECT table_name FROM information_schema.tables WHERE table_schema = SCHEMA_NAME() AND table_type = 'BASE TABLE'",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
}


def read_tables(connection: Connection) -> set[str]:
    return {row[0] for row in connection.rows(TABLES[connection.kind])}


def quoted(connection: Connection, name: str) -> str:
    quote = "`" if connection.kind == "mysql" else '"'
    return quote + name.replace(quote, quote * 2) + quote


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {name: connection.value(f"SELECT COUNT(*) FROM {quoted(connection, name)}") for name in sorted(read_tables(connection))}


# Whatever the settings of server, login and database, the text of a row is the same.
SAME_TEXT = "SET SESSION {} = '{}'"
SETTINGS = {"datestyle": "ISO", "timezone": "UTC", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "1"}
DIGEST = "SELECT coalesce(sum(('x' || left(md5(a_row::text), 16))::bit(64)::bigint::numeric), 0) FROM {} a_row"


def digests(connection: Connection, tables: t.Iterable[str]) -> dict[str, str]:
    """A number for each table of a PostgreSQL database that is another one when a row is, whatever their order. The server works it out."""
    for name, value in SETTINGS.items():
        connection.rows(SAME_TEXT.format(name, value))
    return {table: str(connection.value(DIGEST.format(quoted(connection, table)))) for table in tables}
