# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import Column, Unfit, content_hash, fitter, read_columns, with_floats
from ansible_collections.mlops.mlflow.plugins.module_utils._sqlite_copy import SqliteError, examine, sums_of, take
from hypothesis import given
from hypothesis import strategies as st

SCHEMA = """
CREATE TABLE parents (id INTEGER NOT NULL, name VARCHAR(5), PRIMARY KEY (id));
CREATE TABLE children (
  id INTEGER NOT NULL, parent INTEGER, big BIGINT, flag BOOLEAN, number FLOAT, document JSON, data BLOB, day DATE, long TEXT,
  twice BIGINT GENERATED ALWAYS AS (big * 2) STORED, PRIMARY KEY (id), FOREIGN KEY (parent) REFERENCES parents (id));
CREATE TABLE grandchildren (id INTEGER NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (id), FOREIGN KEY (child) REFERENCES children (id));
"""


@pytest.fixture
def source(tmp_path):
    with Connection(f"sqlite:///{tmp_path}/source.db") as connection:
        connection.connection.executescript(SCHEMA)
        yield connection


def write(source, statement, *values):
    source.connection.execute(statement, values)


def fit(kind, value, nullable=True):
    return fitter(Column("c", kind, nullable))(value)


def test_columns_are_those_with_content(source):
    assert read_columns(source, "children") == [
        Column("id", "integer", False),
        Column("parent", "integer", True),
        Column("big", "bigint", True),
        Column("flag", "boolean", True),
        Column("number", "double precision", True),
        Column("document", "json", True),
        Column("data", "bytea", True),
        Column("day", "date", True),
        Column("long", "text", True),
    ]
    assert read_columns(source, "parents")[1] == Column("name", "character varying(5)", True)


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("integer", -(1 << 31), "-2147483648"),
        ("bigint", (1 << 63) - 1, "9223372036854775807"),
        ("boolean", 1, "t"),
        ("boolean", 0, "f"),
        ("double precision", 0.1, "0.1"),
        ("double precision", -math.inf, "-inf"),
        ("character varying(3)", "é漢😀", "é漢😀"),
        ("text", "\\.\t\n\r\b\f\v\\N\x01", "\\\\.\\t\\n\\r\\b\\f\\v\\\\N\x01"),
        ("text", "", ""),
        ("json", '{"a": "\\u0000", "b": 1e400}', '{"a": "\\\\u0000", "b": 1e400}'),
        ("bytea", b"\x00\xff", "\\\\x00ff"),
        ("date", "2026-01-31", "2026-01-31"),
        *((kind, None, "\\N") for kind in ("integer", "boolean", "double precision", "text", "json", "bytea", "date")),
    ],
)
def test_lines(kind, value, line):
    assert fit(kind, value) == line


@pytest.mark.parametrize(
    ("kind", "value", "problem", "remedy"),
    [
        ("integer", 1 << 31, "does not fit", None),
        ("bigint", 1e20, "does not fit", None),
        ("integer", "x", "text in place of a number", None),
        ("boolean", 2, "an integer in place of 0 or 1", None),
        ("boolean", 1.0, "a floating-point number in place of 0 or 1", None),
        ("double precision", "NaN", "text in place of", None),
        ("character varying(3)", "abcd", "4 characters, and 3", None),
        ("text", b"x", "binary data in place of text", None),
        ("text", "a\udcff", "no valid UTF-8", "a\ufffd"),
        ("text", "a\0b", "NUL", "a\ufffdb"),
        ("json", "{", "no valid JSON", None),
        ("json", "[" * 100000, "no valid JSON", None),
        (
            "json",
            '{"NaN": [NaN, "\\"Infinity", -Infinity], "big": 12345678901234567890.10}',
            "NaN",
            '{"NaN": [null, "\\"Infinity", null], "big": 12345678901234567890.10}',
        ),
        ("bytea", "x", "text in place of binary", None),
        ("date", "yesterday", "text in place of a date", None),
    ],
)
def test_what_does_not_fit(kind, value, problem, remedy):
    with pytest.raises(Unfit, match=problem) as caught:
        fit(kind, value)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("kind", ["integer", "boolean", "double precision", "text", "json", "bytea", "date"])
def test_nothing_where_something_must_be(kind):
    with pytest.raises(Unfit, match="something must be"):
        fit(kind, None, nullable=False)


def test_an_unknown_type():
    with pytest.raises(TypeError, match="inet"):
        fitter(Column("c", "inet", True))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_line_is_one_line_and_says_all(text):
    line = fit("text", text)
    assert not set(line) & set("\b\t\n\v\f\r")
    assert line.encode().decode("unicode_escape").encode("latin-1").decode() == text


@given(st.floats(allow_nan=False))
def test_numbers_are_the_same_in_the_spelling_of_postgresql(number):
    spelled = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, f"{number:.17g}")
    assert with_floats(f"a\t{spelled}\t\\N".encode(), [1, 2]) == f"a\t{fit('double precision', number)}\t\\N".encode()


def test_the_hash_of_rows_in_any_order(source):
    for number in range(3):
        write(source, "INSERT INTO parents VALUES (?, ?)", number, f"n{number}")
    first = content_hash(source, "parents")
    write(source, "DELETE FROM parents")
    for number in (2, 0, 1):
        write(source, "INSERT INTO parents VALUES (?, ?)", number, f"n{number}")
    assert content_hash(source, "parents") == first
    assert first[0] == 3
    write(source, "UPDATE parents SET name = 'n2' WHERE id = 1")
    write(source, "UPDATE parents SET name = 'n1' WHERE id = 2")
    assert content_hash(source, "parents")[1] != first[1]


@pytest.fixture
def orphans(source):
    write(source, "INSERT INTO parents VALUES (1, 'one')")
    for number, parent in ((1, 1), (2, 9), (3, None)):
        write(source, "INSERT INTO children (id, parent) VALUES (?, ?)", number, parent)
    for number, child in ((1, 1), (2, 2)):
        write(source, "INSERT INTO grandchildren VALUES (?, ?)", number, child)
    return source


def ids(source, table):
    return [row[0] for row in source.rows(f"SELECT id FROM {table} ORDER BY 1")]


def test_orphans_are_refused(orphans):
    found = examine(orphans, "refuse", "refuse", "refuse", None)
    assert found["findings"] == [
        {"table": "children", "key": {"id": 2}, "column": None, "problem": "refers to a row of parents that is not there", "action": "refused"}
    ]
    assert (found["total"], found["refused"]) == (1, 1)
    assert ids(orphans, "children") == [1, 2, 3]


def test_orphans_are_left_out_with_those_that_become_some(orphans):
    found = examine(orphans, "drop", "refuse", "refuse", None)
    assert [(finding["table"], finding["action"]) for finding in found["findings"]] == [("children", "left out"), ("grandchildren", "left out")]
    assert found["refused"] == 0
    assert (ids(orphans, "children"), ids(orphans, "grandchildren")) == ([1, 3], [1])


def test_orphans_are_kept_aside(orphans, tmp_path):
    aside = f"{tmp_path}/it's aside.db"
    assert examine(orphans, "keep_aside", "refuse", "refuse", aside)["refused"] == 0
    with Connection(f"sqlite:///{aside}") as kept:
        assert (ids(kept, "children"), ids(kept, "grandchildren")) == ([2], [2])


def test_invalid_text_is_named_or_replaced(source):
    write(source, "INSERT INTO children (id, long, document, big) VALUES (1, CAST(X'61ff00' AS TEXT), '[NaN, 1]', 1e300)")
    write(source, "INSERT INTO parents VALUES (1, 'longer')")
    found = examine(source, "refuse", "replace", "refuse", None)
    assert [(finding["column"], finding["action"]) for finding in found["findings"]] == [
        ("big", "refused"),
        ("document", "replaced"),
        ("long", "replaced"),
        ("name", "refused"),
    ]
    assert found["findings"][2]["problem"] == "no valid UTF-8; a NUL character"
    assert source.rows("SELECT document, long FROM children") == [("[null, 1]", "a\ufffd\ufffd")]
    assert found["refused"] == 2


def test_a_key_that_is_no_text_can_be_shown(source):
    source.connection.executescript("CREATE TABLE keys (key VARCHAR(5) NOT NULL, data BLOB NOT NULL, PRIMARY KEY (key, data))")
    write(source, "INSERT INTO keys VALUES (CAST(X'61ff' AS TEXT), X'00')")
    assert examine(source, "refuse", "refuse", "refuse", None)["findings"][0]["key"] == {"key": "a\\xff", "data": "00"}


def test_a_file_is_copied_with_its_journal_and_not_touched(tmp_path):
    """SQLite itself would move the journal into the file."""
    path, copy = f"{tmp_path}/live.db", f"{tmp_path}/copy.db"
    with Connection(f"sqlite:///{path}") as live:
        live.rows("PRAGMA journal_mode = WAL")
        live.connection.executescript(SCHEMA)
        write(live, "INSERT INTO parents VALUES (1, 'one')")
        before = {name.name: name.read_bytes() for name in tmp_path.iterdir()}
        assert before["live.db-wal"]
        sums = take(path, copy)
        assert sorted(sums) == ["", "-wal"]
        assert sums_of(path) == sums
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
    with Connection(f"sqlite:///{copy}") as taken:
        assert ids(taken, "parents") == [1]
    # Its last user has moved the journal into the file.
    assert sums_of(path) != sums


def test_what_is_no_sqlite_file(tmp_path):
    (tmp_path / "text").write_text("x" * 100)
    with pytest.raises(SqliteError, match="is no SQLite file"):
        take(f"{tmp_path}/text", f"{tmp_path}/copy")
    with pytest.raises(SqliteError, match="No such file"):
        take(f"{tmp_path}/nothing", f"{tmp_path}/copy")
    (tmp_path / "damaged").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(SqliteError, match="damaged"):
        take(f"{tmp_path}/damaged", f"{tmp_path}/copy")


def test_experiments_with_large_numbers(source):
    source.connection.executescript(
        "CREATE TABLE experiments (experiment_id INTEGER NOT NULL PRIMARY KEY, creation_time BIGINT);"
        "CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER);"
        "CREATE TABLE entity_associations (source_type TEXT, source_id TEXT, destination_type TEXT, destination_id TEXT)"
    )
    late, early = 126014718983951654, 926014718983951654
    for number, created in ((0, 1), (4, 2), (late, 9), (early, 3)):
        write(source, "INSERT INTO experiments VALUES (?, ?)", number, created)
        write(source, "INSERT INTO runs VALUES (?, ?)", f"run {created}", number)
    write(source, "INSERT INTO entity_associations VALUES ('dataset', ?, 'experiment', ?)", str(late), str(late))
    refused = examine(source, "refuse", "refuse", "refuse", None)
    assert [(finding["table"], finding["column"]) for finding in refused["findings"]] == [("experiments", "experiment_id")] * 2 + [
        ("runs", "experiment_id")
    ] * 2
    found = examine(source, "refuse", "refuse", "renumber", None)
    assert [(finding["key"]["experiment_id"], finding["action"]) for finding in found["findings"]] == [(early, "renumbered"), (late, "renumbered")]
    assert "is 5 from now on" in found["findings"][0]["problem"]
    assert source.rows("SELECT run_uuid, experiment_id FROM runs ORDER BY 2") == [("run 1", 0), ("run 2", 4), ("run 3", 5), ("run 9", 6)]
    assert [row[0] for row in source.rows("SELECT experiment_id FROM experiments ORDER BY 1")] == [0, 4, 5, 6]
    assert source.rows("SELECT source_id, destination_id FROM entity_associations") == [(str(late), "6")]
