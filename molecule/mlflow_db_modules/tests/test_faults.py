"""What can go wrong in an upgrade. Afterwards the database is as before or at head, and the message says which."""

from __future__ import annotations

import pytest
import testbed
from testbed import NEW_HEAD, OLD_HEAD, each, on, wait_until

AS_BEFORE = f"The database is as it was, at revision {OLD_HEAD}"
NOTHING_DONE = "has changed nothing"


@pytest.fixture
def fails(threads):
    """Run an upgrade that must fail and leave a PostgreSQL database exactly as it was."""

    def run(database, during=lambda: None, **options):
        before = database.content()
        running = threads.submit(database.machine.upgrade, database, **options)
        during()
        result = running.result()
        assert result.failed, result
        assert database.content() == before
        return result

    return run


@on("debian13")
def test_an_idle_transaction_is_named(postgresql, fails, sessions):
    blocker = sessions(postgresql.session("reader"))
    blocker.ask(f"BEGIN; SELECT count(*) FROM {testbed.LATE_TABLE}")
    (pid,) = blocker.ask("SELECT pg_backend_pid()")
    innocent = sessions(postgresql.session())
    innocent.ask("BEGIN; SELECT count(*) FROM latest_metrics")
    result = fails(postgresql, lock_timeout=2)
    assert "waited too long" in result.msg
    assert f"process {pid} of user reader" in result.msg
    assert result.msg.count("process ") == 1, "somebody innocent is named"
    assert AS_BEFORE in result.msg


@on("debian12")
def test_an_idle_transaction_on_mariadb_is_named(machine, mariadb, backup, sessions):
    before = mariadb.content()
    # Of other users the server tells nothing to somebody without the right PROCESS.
    blocker = sessions(mariadb.hold(testbed.USER))
    (pid,) = blocker.ask("SELECT connection_id()")
    result = machine.upgrade(mariadb, lock_timeout=2, backup=backup)
    assert result.failed
    assert "waited too long" in result.msg
    assert f"process {pid} of user {testbed.USER}" in result.msg
    assert result.msg.count("process ") == 1, "the upgrade names itself"
    assert f"The backup from before is {result['backup_file']}" in result.msg
    assert mariadb.restore(result["backup_file"], machine) == before


@on("debian12")
def test_of_two_upgraders_one_upgrades(machines, machine, postgresql, threads):
    for one in machines.values():
        one.host.check_output("rm -rf /srv/peer")
    versions = {one: testbed.NEW if one is machine else testbed.GUEST for one in machines.values()}
    runs = {one: threads.submit(one.upgrade, postgresql, version=versions[one], backup="/srv/peer") for one in machines.values()}
    results = {one: run.result() for one, run in runs.items()}
    assert sorted(result["changed"] for result in results.values()) == [False, True], results
    assert not [result for result in results.values() if result.failed]
    assert postgresql.revision() == NEW_HEAD
    files = {one: one.files("/srv/peer") for one in machines.values()}
    assert {one: [f"/srv/peer/{name}" for name in names] for one, names in files.items()} == {
        one: [result["backup_file"]] if result["changed"] else [] for one, result in results.items()
    }
    (upgrader,) = (one for one, result in results.items() if result["changed"])
    # What a newer pg_dump writes can be read by a newer PostgreSQL alone, so it goes where it lies.
    assert postgresql.restore(results[upgrader]["backup_file"], upgrader)
    restored = testbed.Postgresql(upgrader, "restored")
    assert restored.revision() == OLD_HEAD
    assert restored.sql("SELECT count(*) FROM metrics") == "50000"


@on("debian12")
def test_an_upgrader_that_will_not_wait(machines, machine, postgresql, sessions, threads):
    gate = sessions(postgresql.hold())
    first = threads.submit(machine.upgrade, postgresql)
    wait_until(postgresql.waiting, "the first upgrade")
    second = machines["debian13"].upgrade(postgresql, version=testbed.GUEST, wait_timeout=1)
    assert second.failed
    assert "another upgrade" in second.msg
    assert NOTHING_DONE in second.msg
    gate.close()
    assert first.result()["changed"]
    assert postgresql.revision() == NEW_HEAD


@on("debian12")
def test_a_killed_upgrader(machine, postgresql, backup, sessions, fails):
    gate = sessions(postgresql.hold())

    def kill():
        wait_until(postgresql.waiting, "the upgrade")
        machine.kill_upgrader()
        wait_until(lambda: not postgresql.waiting(), "the end of the dead upgrader's session")

    before = postgresql.content
    result = fails(postgresql, kill, backup=backup)
    assert "killed by signal 9" in result.msg
    assert AS_BEFORE in result.msg
    assert f"The backup from before is {result['backup_file']}" in result.msg
    assert postgresql.restore(result["backup_file"], machine) == before()
    gate.close()
    # Nothing of it stands in the way of the next one.
    again = machine.upgrade(postgresql, wait_timeout=5)
    assert again["changed"], again
    assert postgresql.revision() == NEW_HEAD


@on("debian13")
def test_a_killed_upgrader_on_mariadb(machine, mariadb, backup, sessions, threads):
    before = mariadb.content()
    gate = sessions(mariadb.hold())
    running = threads.submit(machine.upgrade, mariadb, backup=backup)
    wait_until(mariadb.waiting, "the upgrade")
    machine.kill_upgrader()
    result = running.result()
    gate.close()
    assert result.failed
    assert "killed by signal 9" in result.msg
    assert f"The revision is {mariadb.revision()} now and was {OLD_HEAD}" in result.msg
    assert "restore a backup" in result.msg
    assert f"The backup from before is {result['backup_file']}" in result.msg
    assert mariadb.revision() not in (OLD_HEAD, NEW_HEAD), "it was not in the middle"
    assert mariadb.restore(result["backup_file"], machine) == before


@on("debian12")
def test_a_server_restart(machine, postgresql, backup, sessions, fails):
    sessions(postgresql.hold())

    def restart():
        wait_until(postgresql.waiting, "the upgrade")
        machine.host.check_output("systemctl restart %s", machine.cluster)

    result = fails(postgresql, restart, backup=backup)
    assert "was lost" in result.msg
    assert AS_BEFORE in result.msg
    assert result["backup_file"] in result.msg
    assert machine.upgrade(postgresql)["changed"]


@on("debian13")
def test_a_mariadb_that_is_killed(machine, mariadb, backup, sessions, threads):
    before = mariadb.content()
    sessions(mariadb.hold())
    running = threads.submit(machine.upgrade, mariadb, backup=backup)
    wait_until(mariadb.waiting, "the upgrade")
    machine.host.check_output("systemctl kill --signal=KILL mariadb; systemctl reset-failed mariadb; systemctl start mariadb")
    result = running.result()
    assert result.failed
    assert "was lost" in result.msg
    assert f"The revision is {mariadb.revision()} now and was {OLD_HEAD}" in result.msg
    assert mariadb.restore(result["backup_file"], machine) == before


@on("debian12")
def test_time_is_up(postgresql, sessions, fails):
    sessions(postgresql.hold())
    result = fails(postgresql, timeout=8)
    assert "did not finish within timeout=8 s" in result.msg
    assert AS_BEFORE in result.msg
    assert 8 < result.seconds < 18


@each("debian12-mariadb", "debian13-postgresql")
def test_a_wrong_password(machine, kind, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    result = machine.upgrade(database, login_password="wr0ng p%ss")
    assert result.failed
    assert "refuses the login of mlflow" in result.msg
    assert "wr0ng" not in result.output
    assert database.content() == before


@each("debian12-postgresql", "debian13-mariadb")
def test_a_user_who_may_only_read(machine, kind, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    assert machine.info(database, login_user="reader")["state"] == "behind"
    for check in (True, False):
        result = machine.upgrade(database, check=check, login_user="reader")
        assert result.failed
        assert "reader has no right to change the schema" in result.msg
    assert database.content() == before


@on("debian13")
def test_a_schema_that_is_half_migrated(postgresql, backup, fails):
    postgresql.sql(f"SET SESSION AUTHORIZATION mlflow; CREATE TABLE {testbed.NEW_TABLE} (id int)")
    result = fails(postgresql, backup=backup)
    assert "is not the one of its revision" in result.msg
    assert testbed.NEW_TABLE in result.msg
    assert AS_BEFORE in result.msg
    assert result["backup_file"] in result.msg


@on("debian12")
def test_a_mariadb_schema_that_is_half_migrated(machine, mariadb, backup):
    mariadb.sql(f"CREATE TABLE {testbed.NEW_TABLE} (id int)")
    before = mariadb.content()
    result = machine.upgrade(mariadb, backup=backup)
    assert result.failed
    assert "is not the one of its revision" in result.msg
    assert f"and was {OLD_HEAD}" in result.msg
    assert mariadb.restore(result["backup_file"], machine) == before


@on("debian12")
def test_a_sqlite_file_in_use(machine, sqlite, threads):
    hold = "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); time.sleep(60)"
    pid = machine.host.check_output("nohup python3 -c %s %s >/dev/null 2>&1 & echo $!", hold, sqlite.name)
    try:
        result = machine.upgrade(sqlite, lock_timeout=2, timeout=30)
    finally:
        machine.host.check_output("kill %s", pid)
    assert result.failed
    assert "locked" in result.msg or "waited too long" in result.msg
    assert sqlite.revision() == OLD_HEAD
