"""A backup brings all of the database back, with the rights of its owner, or changes nothing."""

from __future__ import annotations

import pytest
from testbed import LATE_TABLE, NEW_HEAD, OLD_HEAD, each, on, wait_until


@each("debian12-postgresql", "debian13-mariadb", "debian13-sqlite")
def test_back_to_what_was_before_an_upgrade(machine, kind, backup, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    saved = machine.upgrade(database, backup=backup)["backup_file"]
    database.sql("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (8, 'later', 'active')")
    after = database.content()
    foretold = machine.restore(database, saved, check=True)
    assert (foretold["changed"], foretold["former_revision"]) == (True, NEW_HEAD)
    assert database.content() == after
    restored = machine.restore(database, saved)
    assert (restored["changed"], restored["former_revision"], restored["current_revision"]) == (True, NEW_HEAD, OLD_HEAD)
    assert database.content() == before
    assert machine.upgrade(database)["changed"]
    assert database.revision() == NEW_HEAD


@pytest.fixture
def saved(machine, postgresql, backup):
    """An upgraded database and the backup from before."""
    return machine.upgrade(postgresql, backup=backup)["backup_file"]


@on("debian12")
def test_a_damaged_backup_changes_nothing(machine, postgresql, saved):
    before = postgresql.content()
    size = machine.host.file(saved).size
    for damage in ("truncate --size=-100 %s", "truncate --size=100 %s", "truncate --size=0 %s", "rm %s"):
        machine.host.check_output(damage, saved)
        for check in (True, False):
            result = machine.restore(postgresql, saved, check=check)
            assert result.failed
            assert "is as it was" in result.msg
    assert size > 100
    assert postgresql.content() == before


@on("debian12")
def test_what_others_made_of_the_tables_stays(machine, postgresql, saved):
    postgresql.sql("CREATE SCHEMA of_others; CREATE VIEW of_others.names AS SELECT name FROM runs")
    before = postgresql.content()
    result = machine.restore(postgresql, saved)
    assert result.failed
    assert "of_others.names" in result.msg
    assert postgresql.content() == before


@on("debian13")
def test_who_uses_a_table_is_waited_for_and_named(machine, postgresql, saved, sessions):
    before = postgresql.content()
    sessions(postgresql.hold())
    result = machine.restore(postgresql, saved, lock_timeout=1)
    assert result.failed
    assert "lock timeout" in result.msg
    assert postgresql.content() == before


@on("debian13")
def test_a_killed_restore_changes_nothing(machine, postgresql, saved, sessions, threads):
    """psql reads what its killed parent had not written to the end, and must not take that for all."""
    before = postgresql.content()
    session = sessions(postgresql.hold())
    running = threads.submit(machine.restore, postgresql, saved)
    wait_until(postgresql.waiting, "the restore")
    machine.kill_upgrader()
    assert "killed by signal 9" in running.result().msg
    session.ask("ROLLBACK")
    wait_until(lambda: not machine.host.run("pgrep psql").stdout.split()[1:], "the end of psql")
    assert postgresql.content() == before
    assert machine.restore(postgresql, saved)["current_revision"] == OLD_HEAD
    assert LATE_TABLE in postgresql.sql("SELECT string_agg(relname, ' ') FROM pg_class")
