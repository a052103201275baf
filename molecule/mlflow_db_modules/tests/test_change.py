"""An upgrade that fails, is killed or loses power leaves a server that serves, with all of its data; so does a way back."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import secrets
import signal
import subprocess
import time

import pytest
from testbed import ENVIRONMENTS, NEW, NEW_HEAD, NEW_TABLE, OLD, OLD_HEAD, PROJECT, USER, on, wait_until

RESTORE = "/srv/restore"
REHEARSAL = "rehearsal"
CURRENT = "/srv/probe/current"
ENVIRONMENT = "/srv/probe/probe.env"
KEPT = "/srv/probe/proven.tar"
UNIT = "/etc/systemd/system/probe.service"
PORT = 5055
TEXT = f"""\
[Unit]
ConditionPathExists=!{RESTORE}/.stopped
StartLimitIntervalSec=0
[Service]
Type=exec
EnvironmentFile={ENVIRONMENT}
# What `mlflow server` would start, without the seconds that it takes itself.
ExecStart={CURRENT}/bin/python -m gunicorn --bind 0.0.0.0:{PORT} mlflow.server:app
Restart=on-failure
RestartSec=1
[Install]
WantedBy=multi-user.target
"""


class Probe:
    """A real server on a machine, as the role would have made it with the old version."""

    def __init__(self, database):
        self.database = database
        self.machine = database.machine
        self.host = database.machine.host

    def install(self):
        self.host.check_output("systemctl stop probe.service probe-change.service; rm -rf %s /srv/probe; mkdir -p /srv/probe; true", RESTORE)
        self.write(ENVIRONMENT, f"_MLFLOW_SERVER_FILE_STORE={self.database.uri}\n_MLFLOW_SERVER_ARTIFACT_ROOT=/srv/probe\nMLFLOW_DISABLE_TELEMETRY=true\n")
        self.write(UNIT, TEXT)
        self.host.check_output("ln -sfn %s/%s %s", ENVIRONMENTS, OLD, CURRENT)
        done = self.machine.run("mlflow_service", {**self.server(OLD), "kept_file": KEPT})
        assert not done.failed, done.msg

    def write(self, path, text):
        self.host.check_output("printf %%s %s > %s; chmod 600 %s", text, path, path)

    @staticmethod
    def server(version):
        files = [ENVIRONMENT, UNIT, CURRENT]
        return {
            "units": [{"name": "probe.service", "port": PORT}],
            "version": version,
            "files": files,
            "environment_files": [ENVIRONMENT],
            "timeout": 120,
        }

    def options(self, **options):
        common = {
            "backend_store_uris": [self.database.uri],
            "virtualenv": f"{ENVIRONMENTS}/{NEW}",
            "restore_dir": RESTORE,
            "kept_file": KEPT,
            "lock_timeout": 3,
        }
        return {**self.server(NEW), **common, **options}

    def upgrade(self, check=False, **options):
        return self.machine.run("mlflow_upgrade", self.options(current=CURRENT, **options), check)

    def roll_back(self, point, check=False, **options):
        return self.machine.run("mlflow_rollback", self.options(restore_point=point, **options), check)

    def phase(self):
        """How far the change is, None when there is none."""
        found = self.host.run("cat %s/.change/journal.json", RESTORE)
        return json.loads(found.stdout)["phase"] if found.rc == 0 else None

    def points(self):
        return self.machine.run("mlflow_restore_point_info", {"restore_dir": RESTORE})["restore_points"]

    def pid(self):
        return self.host.check_output("systemctl show -P MainPID probe")

    def get(self, path):
        connection = http.client.HTTPConnection(self.machine.address, PORT, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"localhost:{PORT}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def answers(self):
        with contextlib.suppress(OSError):
            return self.get("/version")[0] == 200
        return False

    def version(self):
        """Of the server that answers with what is in its database."""
        status, body = self.get("/api/2.0/mlflow/runs/get?run_id=run")
        assert status == 200, body
        return self.get("/version")[1]

    def is_over(self):
        """Nothing is left to be gone on with."""
        left = self.host.check_output("ls -A %s/.change; ls -A %s; systemctl list-unit-files 'probe-change*' --no-legend; true", RESTORE, RESTORE)
        return "json" not in left.replace(".last.json", "") and ".stopped" not in left and "probe-change" not in left


@pytest.fixture
def probe(postgresql):
    found = Probe(postgresql)
    found.install()
    yield found
    found.host.check_output("systemctl stop probe.service probe-change.service; true")


def assert_nothing_happened(probe, before):
    assert probe.version() == OLD
    assert probe.database.revision() == OLD_HEAD
    assert probe.database.content() == before
    assert probe.is_over()


@on("debian13")
def test_upgrade_and_way_back(probe):
    before = probe.database.content()
    foretold = probe.upgrade(check=True)
    assert foretold["changed"] and len(foretold["pending"]["tracking"]) == 12
    assert probe.database.content() == before
    assert probe.version() == OLD

    # What a rehearsal would find costs no downtime.
    pid = probe.pid()
    probe.database.sql(f"SET SESSION AUTHORIZATION {USER}; CREATE TABLE {NEW_TABLE} ()")
    refused = probe.upgrade(rehearsal_database=REHEARSAL)
    assert refused.failed
    assert "The rehearsal failed, the database itself has not been touched" in refused.msg
    assert probe.pid() == pid
    probe.database.sql(f"DROP TABLE {NEW_TABLE}")
    assert_nothing_happened(probe, before)

    done = probe.upgrade(rehearsal_database=REHEARSAL)
    assert not done.failed, done.msg
    assert done["rehearsal"]["upgrade_seconds"] > 0
    assert probe.database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", REHEARSAL) == "0"
    assert probe.version() == NEW
    assert probe.database.revision() == NEW_HEAD
    assert 1 < done["down_seconds"] < done.seconds
    assert set(done["seconds"]) == {"stop", "save", "change", "switch", "start"}
    assert probe.is_over()
    assert not probe.upgrade()["changed"]
    (point,) = probe.points()
    assert (point["problem"], point["mlflow_version"], point["databases"][0]["revision"]) == (None, OLD, OLD_HEAD)
    assert point["databases"][0]["rows"] > 50000
    assert oct(probe.host.file(done["restore_point"]).mode) == "0o700"

    probe.database.sql("INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES (8, 'later', 's3://bucket/8', 'active')")
    later = probe.database.content()
    assert probe.roll_back(point["name"], check=True)["mlflow_version"] == OLD
    assert probe.database.content() == later
    back = probe.roll_back(point["name"])
    assert not back.failed, back.msg
    assert_nothing_happened(probe, before)
    # What was written in between is not lost.
    there = probe.roll_back(back["saved"].rpartition("/")[2])
    assert not there.failed, there.msg
    assert probe.version() == NEW
    assert probe.database.content() == later


@on("debian13")
def test_a_failed_migration_is_undone(probe, sessions):
    before = probe.database.content()
    session = sessions(probe.database.hold())
    failed = probe.upgrade()
    assert failed.failed
    assert "waited too long for a lock" in failed.msg
    assert "The former version serves again" in failed.msg
    session.ask("ROLLBACK")
    assert_nothing_happened(probe, before)
    done = probe.upgrade()
    assert done["changed"], done.msg


@on("debian13")
def test_a_disk_that_others_fill_meanwhile_costs_a_restart(probe, sessions, threads):
    before = probe.database.content()
    probe.host.check_output("mkdir -p %s; mount -t tmpfs -o size=300M,mode=0700 none %s", RESTORE, RESTORE)
    try:
        session = sessions(probe.database.session(USER))
        session.ask("SELECT 1")
        running = threads.submit(probe.upgrade, lock_timeout=60)
        wait_until(lambda: probe.phase() == "save", "the restore point", 300)
        probe.host.check_output("cat /dev/zero > %s/full 2> /dev/null; df --output=avail %s | grep -x ' *0'", RESTORE, RESTORE)
        session.close()
        failed = running.result()
        assert failed.failed
        assert "has 0 MiB left" in failed.msg
        assert "The former version serves again" in failed.msg
        assert_nothing_happened(probe, before)
        probe.host.check_output("rm %s/full", RESTORE)
        assert probe.upgrade()["changed"]
        assert probe.version() == NEW
    finally:
        probe.host.check_output("systemctl stop probe-change.service; umount %s", RESTORE)


@on("debian13")
def test_a_new_version_that_does_not_serve_is_undone(probe):
    """And what had been written to it is kept."""
    before = probe.database.content()
    probe.write(ENVIRONMENT, "PYTHONHOME=/nonexistent\n")
    failed = probe.upgrade()
    assert failed.failed
    assert "probe.service has ended" in failed.msg
    assert_nothing_happened(probe, before)
    assert any(name.startswith("after-") for name in probe.machine.files(failed["restore_point"]))


@on("debian13")
def test_lost_rows_are_missed_and_a_way_back_that_is_barred_is_tried_again(probe):
    """By a trigger that deletes rows when tables change, and lets none be dropped."""
    before = probe.database.content()
    deletes = "DELETE FROM metrics WHERE step = 1"
    probe.database.sql(f"CREATE FUNCTION lose() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN {deletes}; END'")
    probe.database.sql("CREATE EVENT TRIGGER lose ON ddl_command_end EXECUTE FUNCTION lose()")
    failed = probe.upgrade()
    assert failed.failed
    assert "has lost rows: metrics has 49999 in place of 50000" in failed.msg
    assert "could not be undone yet" in failed.msg
    assert "tracking.dump" in probe.machine.files(failed["restore_point"])
    assert not probe.answers()
    probe.database.sql("DROP EVENT TRIGGER lose")
    wait_until(probe.is_over, "the way back", 300)
    probe.database.sql("DROP FUNCTION IF EXISTS lose()")
    assert_nothing_happened(probe, before)


@on("debian13")
@pytest.mark.parametrize("moment", ["change", "start"])
def test_a_killed_process_is_followed_by_one_that_settles_it(probe, sessions, threads, moment):
    """Killed in the middle of the migration, it is undone; killed afterwards, it is brought to its end."""
    before = probe.database.content()
    session = sessions(probe.database.hold()) if moment == "change" else None
    running = threads.submit(probe.upgrade, lock_timeout=60)
    if session:
        wait_until(probe.database.waiting, "the migration", 300)
    else:
        wait_until(lambda: probe.phase() == "start", "the start", 300)
    probe.host.check_output("systemctl kill --kill-whom=main --signal=KILL probe-change.service")
    if session:
        session.ask("ROLLBACK")
    done = running.result()
    if session:
        assert done.failed
        assert "was killed, or the machine went down, in the step change" in done.msg
        assert_nothing_happened(probe, before)
    else:
        assert not done.failed, done.msg
        assert probe.version() == NEW
        assert probe.is_over()


@on("debian13")
def test_a_run_that_dies_leaves_an_upgrade_that_goes_on(probe, threads):
    mark = secrets.token_hex(8)
    running = threads.submit(probe.machine.play, "mlflow_upgrade", probe.options(current=CURRENT), {"MLOPS_TEST_RUN": mark})
    wait_until(lambda: probe.phase() == "change", "the migration", 300)
    for environment in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environment.read_text():
                os.kill(int(environment.parent.name), signal.SIGKILL)
    with pytest.raises(AssertionError):
        running.result()
    # A run that follows waits for it.
    assert probe.upgrade(state="settled")["changed"]
    assert probe.version() == NEW
    assert probe.is_over()
    assert not probe.upgrade()["changed"]


@on("debian13")
def test_a_power_failure_in_the_migration_is_undone(probe, sessions, threads):
    before = probe.database.content()
    session = probe.database.hold()
    running = threads.submit(probe.upgrade, lock_timeout=60)
    wait_until(probe.database.waiting, "the migration", 300)
    subprocess.run(["docker", "kill", probe.machine.name], check=True, stdout=subprocess.DEVNULL)
    session.close()
    with pytest.raises(AssertionError):
        running.result()
    subprocess.run(["docker", "start", probe.machine.name], check=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: probe.host.run("systemctl is-active --quiet probe && ! systemctl is-active --quiet probe-change").rc == 0, "the former server", 300)
    assert_nothing_happened(probe, before)


@on("debian13")
def test_damaged_and_foreign_restore_points_are_refused(probe):
    done = probe.upgrade()
    name = done["restore_point"].rpartition("/")[2]
    pid = probe.pid()
    probe.host.check_output("truncate --size=-1 %s/tracking.dump", done["restore_point"])
    for point, words in ((name, "bytes in place of"), ("nothing", "is not there"), ("../x", "is no name of a restore point")):
        refused = probe.roll_back(point)
        assert refused.failed
        assert words in refused.msg
    assert probe.pid() == pid
    manifest = json.loads(probe.host.file(f"{done['restore_point']}/manifest.json").content_string)
    assert manifest["format"] == 1


@on("debian13")
@pytest.mark.drill
def test_the_server_is_not_down_for_much_longer_than_a_migration_and_a_start_take(probe):
    """With a million metrics. What is saved meanwhile takes the rest."""
    probe.database.sql(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) SELECT 'drill' || n % 100, n, n, 'run', n, false FROM generate_series(1, 950000) n"
    )
    probe.database.sql("VACUUM ANALYZE metrics")

    def timed(command, *words):
        start = time.monotonic()
        probe.host.check_output(command, *words)
        return time.monotonic() - start

    start = time.monotonic()
    probe.host.check_output("systemctl restart probe")
    wait_until(probe.answers, "the server")
    plain = time.monotonic() - start
    done = probe.upgrade()
    assert not done.failed, done.msg
    assert int(probe.database.sql("SELECT count(*) FROM metrics")) == 1_000_000
    back = probe.roll_back(done["restore_point"].rpartition("/")[2])
    assert not back.failed, back.msg
    probe.host.check_output("systemctl stop probe")
    migration = timed("MLFLOW_DISABLE_TELEMETRY=true %s db upgrade %s", f"{ENVIRONMENTS}/{NEW}/bin/mlflow", probe.database.uri)
    size = probe.host.file(f"{done['restore_point']}/tracking.dump").size / 1e6
    lines = [
        f"a million metrics, backup of {size:.0f} MB",
        f"mlflow db upgrade: {migration:.1f} s, a plain restart: {plain:.1f} s, together {migration + plain:.1f} s",
        f"mlflow_upgrade: down for {done['down_seconds']} s ({', '.join(f'{step} {seconds}' for step, seconds in done['seconds'].items())})",
        f"mlflow_rollback: down for {back['down_seconds']} s",
    ]
    report = PROJECT / ".build" / "drills" / "upgrade.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    assert done["down_seconds"] <= migration + plain + 5, lines
