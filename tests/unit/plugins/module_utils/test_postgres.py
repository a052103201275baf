# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _postgres

FOLDER = "/etc/postgresql/17/main"
OURS = f"{FOLDER}/conf.d/50-mlops.conf"
MAIN = f"{FOLDER}/postgresql.conf"
AUTO = "/var/lib/postgresql/17/main/postgresql.auto.conf"


def row(file, line, name, value, error=None):
    return {"file": file, "line": line, "name": name, "value": value, "error": error}


BEFORE = [row(MAIN, 10, "port", "5432"), row(MAIN, 20, "Work_Mem", "1MB"), row(f"{FOLDER}/conf.d/10-shop.conf", 1, "jit", "on")]
AFTER = [row(f"{FOLDER}/conf.d/90-shop.conf", 3, "max_connections", "300"), row(MAIN, 900, "work_mem", "2MB"), row(AUTO, 3, "jit", "off")]


@pytest.mark.parametrize("written", [[], [row(OURS, 2, "max_connections", "40"), row(OURS, 3, "work_mem", "4MB")]])
def test_who_decides(written):
    rows = BEFORE + written + AFTER
    later = _postgres.later_lines(rows, OURS, 800)
    assert later == AFTER
    wanted = {"max_connections": "40", "work_mem": "4MB", "jit": "off", "port": "5432"}
    assert _postgres.shadowed(wanted, later) == {
        "max_connections": f"300 in {FOLDER}/conf.d/90-shop.conf:3",
        "work_mem": f"2MB in {MAIN}:900",
    }
    assert _postgres.replaced(wanted, rows, later, OURS) == {"work_mem": f"1MB in {MAIN}:20", "jit": f"on in {FOLDER}/conf.d/10-shop.conf:1"}


def test_nothing_comes_later():
    assert _postgres.later_lines(BEFORE, OURS, 800) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\ninclude_dir = 'conf.d'\t# others\n", 2),
        ("include_dir '/etc/postgresql/17/main/conf.d/'\n", 1),
        ("include_dir='conf.d'\n\ninclude_dir = 'conf.d'\n", 3),
        ("#include_dir = 'conf.d'\n", None),
        ("include_dir = 'other'\n", None),
        ("", None),
    ],
)
def test_where_the_folder_is_included(text, line):
    assert _postgres.include_line(text, "conf.d") == line


def test_what_waits_for_a_restart_is_no_wrong_line():
    rows = [row(OURS, 1, "port", "1", _postgres.WAITS), row(OURS, 2, "nonsense", "1", "unrecognized configuration parameter")]
    assert _postgres.wrong_lines(rows) == [f"{OURS}:2: unrecognized configuration parameter"]


@pytest.mark.parametrize(("value", "text"), [(True, "on"), (False, "off"), (1.1, "1.1"), (40, "40"), ("it's", "it's")])
def test_settings_as_text(value, text):
    assert _postgres.text_of(value) == text


RULE = {"type": "hostssl", "database": "app", "user": "app", "address": "10.0.0.5/32", "method": "scram-sha-256", "options": ""}


def test_rules_of_an_own_cluster():
    lines = _postgres.hba_lines([RULE], ["app"], ["app"], ["app"], own=True)
    assert lines[1] == "local all all scram-sha-256"
    assert lines[-1] == "hostssl app app 10.0.0.5/32 scram-sha-256"
    text = _postgres.hba_text("# managed", lines, own=True, others="host all all all trust\n")
    assert _postgres.made_by_role("", text)
    assert "trust" not in text


def test_rules_among_others():
    others = "local all all trust\n"
    lines = _postgres.hba_lines([RULE], ['a "b"'], ["app"], ["app", "reader"], own=False)
    assert lines == [
        "local all postgres peer",
        'local "a ""b""" "app","reader" scram-sha-256',
        'host "a ""b""" "app","reader" 127.0.0.1/32 scram-sha-256',
        'host "a ""b""" "app","reader" ::1/128 scram-sha-256',
        'hostssl "a ""b""" "app","reader" samehost scram-sha-256',
        "hostssl app app 10.0.0.5/32 scram-sha-256",
        'local "a ""b""" all reject',
        'host "a ""b""" all all reject',
        'local all "app" reject',
        'host all "app" all reject',
    ]
    text = _postgres.hba_text("# managed", lines, own=False, others=others)
    assert text.endswith(others)
    assert _postgres.others_rules(text) == others
    assert _postgres.hba_lines([], [], [], [], own=False) == ["local all postgres peer"]


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("10.0.0.5", ["10.0.0.5/32"]),
        ("2001:db8::5", ["2001:db8::5/128"]),
        ("10.0.0.0/24,db.example.com,10.0.0.5", ["10.0.0.0/24", "db.example.com", "10.0.0.5/32"]),
        ("samenet", ["samenet"]),
    ],
)
def test_addresses_of_rules(address, written):
    lines = _postgres.hba_lines([{**RULE, "address": address}], [], [], [], own=True)
    assert lines[-len(written) :] == [f"hostssl app app {each} scram-sha-256" for each in written]
    local = {**RULE, "type": "local", "address": "", "method": "peer"}
    assert _postgres.hba_lines([local], [], [], [], own=False)[-1] == "local app app peer"


def test_whose_rules_they_are():
    block = f"{_postgres.BLOCK_BEGIN}\nlocal mine mine peer\n{_postgres.BLOCK_END}\n"
    others = "# TYPE  DATABASE\nlocal all all peer\n"
    assert _postgres.others_rules(block + others) == others
    assert _postgres.others_rules(others) == others
    own = "# type database user address method\nlocal all postgres peer\n"
    assert _postgres.made_by_role("", own)
    assert _postgres.made_by_role("port = 1\nmlops.made_by = 'role'\n", others)
    assert not _postgres.made_by_role("#mlops.made_by\n", others)
    assert not _postgres.made_by_role("", block + own)


def test_folders_beside_those_of_every_cluster(tmp_path, monkeypatch):
    link = tmp_path / "lib"
    link.symlink_to("/srv/data")
    monkeypatch.setattr(_postgres, "USUAL_FOLDERS", ("/run/postgresql", str(link)))
    folders = ["/run/postgresql", "/srv/data/17/main", "/srv/database", "/tmp", "/srv/database"]
    assert _postgres.unusual_folders(folders) == ["/srv/database", "/tmp"]
