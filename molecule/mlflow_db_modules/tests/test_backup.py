"""Backups are there when they are needed, good, and never in the way. A rehearsal leaves nothing behind."""

from __future__ import annotations

import urllib.parse

import testbed
from testbed import NEW_HEAD, OLD_HEAD, each, on, wait_until


@each("debian12-postgresql", "debian13-mariadb", "debian13-sqlite")
def test_backup_before_an_upgrade(machine, kind, backup, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    predicted = machine.upgrade(database, check=True, backup=backup)
    assert predicted["changed"]
    assert "backup_file" not in predicted
    assert not machine.host.file(backup).exists
    result = machine.upgrade(database, backup=backup)
    assert result["changed"]
    assert [f"{backup}/{name}" for name in machine.files(backup)] == [result["backup_file"]]
    assert machine.host.file(backup).mode == 0o700
    assert machine.host.file(result["backup_file"]).mode == 0o600
    assert OLD_HEAD in result["backup_file"]
    assert database.revision() == NEW_HEAD
    assert database.restore(result["backup_file"], machine) == before
    # No backup when nothing is pending.
    again = machine.upgrade(database, backup=backup)
    assert not again["changed"]
    assert "backup_file" not in again
    assert len(machine.files(backup)) == 1


@each("debian12-postgresql", "debian12-mariadb", "debian12-sqlite")
def test_too_little_room_is_seen_before(machine, kind, small_disk, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    folder = small_disk("1")
    for check in (True, False):
        result = machine.upgrade(database, check=check, backup=f"{folder}/backup")
        assert result.failed
        assert "MiB left" in result.msg
    assert database.content() == before
    assert machine.files(folder) == []


@each("debian12-postgresql", "debian13-mariadb")
def test_the_disk_fills_up(machine, kind, small_disk, sessions, threads, request):
    database = request.getfixturevalue(kind)
    before = database.content()
    folder = small_disk("100")
    gate = sessions(database.session())
    # The dump has to wait until the disk is full.
    gate.ask(f"BEGIN; LOCK TABLE {testbed.LATE_TABLE}" if kind == "postgresql" else f"LOCK TABLES {testbed.LATE_TABLE} WRITE")
    running = threads.submit(machine.upgrade, database, backup=folder)
    wait_until(lambda: machine.files(folder), "the backup")
    machine.host.run("dd if=/dev/zero of=%s/filler bs=4k", folder)
    gate.close()
    result = running.result()
    assert result.failed
    assert "No backup of" in result.msg
    assert "No space left" in result.msg or "errno 28" in result.msg
    assert "has changed nothing" in result.msg
    assert "backup_file" not in result
    assert machine.files(folder) == ["filler"]
    assert database.content() == before


@on("debian13")
def test_a_tool_that_is_too_old(machines, machine, postgresql):
    """The other host has the pg_dump of PostgreSQL 15 alone."""
    before = postgresql.content()
    for check in (True, False):
        result = machines["debian12"].upgrade(postgresql, check=check, version=testbed.GUEST, backup="/srv/never")
        assert result.failed
        assert "version 17 or newer" in result.msg
    assert postgresql.content() == before
    assert not machines["debian12"].host.file("/srv/never").exists


@each("debian12-sqlite", "debian13-postgresql")
def test_rehearsal_alone(machine, kind, request):
    database = request.getfixturevalue(kind)
    before, around = database.content(), neighbours(database)
    result = machine.upgrade(database, rehearsal="only")
    assert not result["changed"]
    assert result["rehearsal"]["upgrade_seconds"] > 0
    assert [entry["revision"] for entry in result["pending"]][-1] == NEW_HEAD
    assert database.content() == before
    assert neighbours(database) == around
    result = machine.upgrade(database, rehearsal="first")
    assert result["changed"]
    assert result["rehearsal"]["upgrade_seconds"] > 0
    assert database.revision() == NEW_HEAD
    assert neighbours(database) == around
    assert "rehearsal" not in machine.upgrade(database, rehearsal="first")


def neighbours(database):
    return database.names() if database.kind == "postgresql" else database.machine.files("/srv/faults")


@each("debian12-postgresql", "debian13-sqlite")
def test_rehearsal_that_fails(machine, kind, request):
    database = request.getfixturevalue(kind)
    as_owner = "SET SESSION AUTHORIZATION mlflow;" if kind == "postgresql" else ""
    database.sql(f"{as_owner} CREATE TABLE {testbed.NEW_TABLE} (id int)")
    before, around = database.content(), neighbours(database)
    for rehearsal in ("only", "first"):
        result = machine.upgrade(database, rehearsal=rehearsal)
        assert result.failed
        assert "The rehearsal failed, the database itself has not been touched" in result.msg
        assert testbed.NEW_TABLE in result.msg
        assert database.content() == before
        assert neighbours(database) == around


@on("debian12")
def test_rehearsal_that_is_killed(machine, postgresql, threads):
    before, around = postgresql.content(), postgresql.names()
    running = threads.submit(machine.upgrade, postgresql, rehearsal="only")
    wait_until(lambda: postgresql.names() != around, "the copy")
    machine.kill_upgrader()
    result = running.result()
    assert result.failed
    assert "has not been touched" in result.msg
    assert postgresql.content() == before
    assert postgresql.names() == around


@on("debian12")
def test_rehearsal_of_a_database_in_use(machine, postgresql, sessions):
    user = sessions(postgresql.session("reader"))
    (pid,) = user.ask("SELECT pg_backend_pid()")
    result = machine.upgrade(postgresql, rehearsal="only", wait_timeout=2)
    assert result.failed
    assert f"process {pid} of user reader" in result.msg
    assert "has not been touched" in result.msg


@on("debian12")
def test_rehearsal_without_the_right(machine, postgresql):
    postgresql.sql("ALTER ROLE mlflow NOCREATEDB")
    try:
        result = machine.upgrade(postgresql, rehearsal="first")
    finally:
        postgresql.sql("ALTER ROLE mlflow CREATEDB")
    assert result.failed
    assert "CREATEDB" in result.msg
    assert postgresql.revision() == OLD_HEAD


@on("debian13")
def test_rehearsal_on_mariadb_is_refused(machine, mariadb):
    result = machine.upgrade(mariadb, rehearsal="first")
    assert result.failed
    assert "needs PostgreSQL or SQLite" in result.msg
    assert mariadb.revision() == OLD_HEAD


@on("debian13")
def test_a_schema_beside_those_of_others(machine, postgresql, backup):
    """MLflow in a schema of its own, and beside it one that its login cannot read."""
    postgresql.sql('ALTER SCHEMA public RENAME TO mlflow; CREATE SCHEMA "Other""s"; CREATE TABLE "Other""s".invoices (id int)')
    uri = f"postgresql+psycopg2://{testbed.USER}:{urllib.parse.quote(testbed.PASSWORD, safe='')}@127.0.0.1/{postgresql.name}?options=-csearch_path%3D"
    options = {"virtualenv": f"{testbed.ENVIRONMENTS}/{testbed.NEW}"}
    for name in ("mlfow", "%22Other%22%22s%22"):
        result = machine.run("mlflow_db_info", {**options, "backend_store_uri": uri + name})
        assert result.failed
        assert "no schema of the search_path" in result.msg
        assert "Create the schema, or correct its name" in result.msg
    result = machine.run("mlflow_db_upgrade", {**options, "backend_store_uri": f"{uri}mlflow", "backup": backup})
    assert not result.failed, result.msg
    content = machine.host.check_output("pg_restore --list %s", result["backup_file"])
    assert " TABLE mlflow experiments " in content
    assert "invoices" not in content
