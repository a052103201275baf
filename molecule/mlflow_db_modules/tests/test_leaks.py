"""Nobody sees a password, whatever it is and however the module ends."""

from __future__ import annotations

import base64
import urllib.parse

import pytest
import testbed
from testbed import on, wait_until

# Found in all of its forms: the plain word stands in each of them, and the percent-encoded one in a URI.
WORD = "s3cretM4rker"
PASSWORD = f"{WORD} %@:/'\"\\{{{{ x }}}}é"
WRONG = f"wr0ng{WORD}%/@"
ASCII_PASSWORD = PASSWORD.replace("é", "")
FORMS = [WORD, urllib.parse.quote(PASSWORD, safe=""), base64.b64encode(WORD.encode()).decode()]

# So often that no process is too short for it, and no more: it takes the time of what it watches.
WATCHER = """
import os, time
seen = set()
with open("/run/watched", "ab", buffering=0) as log:
    open("/run/watching", "w").close()
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as stream:
                    line = stream.read()
            except OSError:
                continue
            if line not in seen:
                seen.add(line)
                log.write(line.replace(b"\\0", b" ") + b"\\n")
        time.sleep(0.01)
"""


@pytest.fixture
def watched(machine):
    """Notes the arguments of every process, and says at the end what they were."""
    machine.host.check_output("rm -f /run/watched /run/watching; systemd-run --unit=watcher --collect python3 -c %s", WATCHER)
    wait_until(lambda: machine.host.file("/run/watching").exists, "the watcher's start")

    def stop():
        # One that lives for a moment, to know that the watcher sees such.
        machine.host.check_output("sh -c ': canary; sleep 0.05'")
        machine.host.check_output("systemctl stop watcher")
        lines = machine.host.check_output("cat /run/watched")
        assert ": canary" in lines
        return lines

    yield stop
    machine.host.run("systemctl stop watcher")


def quoted(password):
    return "'" + password.replace("'", "''") + "'"


# In a session, which is no process of the machine that anybody looks at.
@pytest.fixture
def marked(postgresql, sessions):
    """A database whose owner has the password that is looked for."""
    session = sessions(testbed.Postgresql(postgresql.machine, "postgres").session())
    session.ask(f"ALTER ROLE mlflow PASSWORD {quoted(PASSWORD)}")
    yield postgresql
    session.ask(f"ALTER ROLE mlflow PASSWORD {quoted(testbed.PASSWORD)}")


@pytest.fixture
def marked_mariadb(mariadb, sessions):
    session = sessions(mariadb.session())
    session.ask("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    session.ask(f"SET PASSWORD FOR mlflow@'%' = PASSWORD({quoted(ASCII_PASSWORD)})")
    yield mariadb
    session.ask(f"SET PASSWORD FOR mlflow@'%' = PASSWORD({quoted(testbed.PASSWORDS['mysql'])})")


def search(machine, output, arguments):
    """Fail where one of the forms is to be seen after a run."""
    # Bytes: the lengths of entries of several lines are no text.
    journal = machine.host.run("journalctl --no-pager --output=export").stdout_bytes.decode(errors="replace")
    assert "Invoked with" in journal
    places = {"the output": output, "the arguments of a process": arguments, "the journal": journal}
    for form in FORMS:
        for place, content in places.items():
            assert form not in content, f"in {place}"
    forms = " ".join(["-e %s"] * len(FORMS))
    found = machine.host.run(f"grep -rlF {forms} /tmp /var/tmp /root /var/log /run /home --exclude=watched --exclude-dir=journal", *FORMS).stdout
    assert found == ""


def run(machine, options, **more):
    return machine.play("mlflow_db_upgrade", {"virtualenv": f"{testbed.ENVIRONMENTS}/{testbed.NEW}", **options}, verbosity=4, **more)


@pytest.mark.parametrize(("machine", "pipelining"), [("debian12", "true"), ("debian13", "false")], indirect=["machine"])
def test_an_upgrade_with_backup_and_rehearsal(machine, marked, backup, watched, pipelining):
    uri = f"postgresql+psycopg2://mlflow:{urllib.parse.quote(PASSWORD, safe='')}@{machine.address}/{marked.name}"
    result = run(machine, {"backend_store_uri": uri, "backup": backup, "rehearsal": "first"}, environment={"ANSIBLE_PIPELINING": pipelining})
    assert not result.failed, result.output
    assert marked.revision() == testbed.NEW_HEAD
    arguments = watched()
    assert "pg_dump" in arguments
    assert f"{testbed.NEW}/bin/python" in arguments
    assert "pending: " in result.output, "there is no diff to search"
    search(machine, result.output, arguments)


@on("debian12")
def test_an_upgrade_of_mariadb_with_backup(machine, marked_mariadb, backup, watched):
    result = run(machine, {**marked_mariadb.options, "login_password": ASCII_PASSWORD, "backup": backup})
    assert not result.failed, result.output
    arguments = watched()
    assert "mariadb-dump" in arguments
    search(machine, result.output, arguments)


@on("debian13")
@pytest.mark.parametrize(
    "wrong",
    [
        {"login_password": WRONG},
        {"login_db": "nowhere"},
        {"login_port": 1},
        {"driver": "mssql+pymssql"},
        {"rehearsal": "first", "backup": "/proc/no"},
    ],
    ids=["password", "database", "port", "driver", "backup"],
)
def test_a_failure(machine, marked, watched, wrong):
    result = run(machine, {**marked.options, "login_password": PASSWORD, **wrong})
    assert result.failed
    search(machine, result.output, watched())


@on("debian12")
@pytest.mark.parametrize("uri", ["postgresql+psycopg2://mlflow:{}@h/d", "postgresql://mlflow:{}@h/d", "mysql+pymysql://{}:{}@h:p/d", "x{}"])
def test_a_uri_that_cannot_be_read(machine, watched, uri):
    for password in (PASSWORD, urllib.parse.quote(PASSWORD, safe="")):
        result = run(machine, {"backend_store_uri": uri.format(password, password)})
        assert result.failed
        search(machine, result.output, watched() if password == PASSWORD else "")


@on("debian13")
def test_a_lock_and_a_killed_upgrader(machine, marked, watched, sessions, threads):
    sessions(marked.hold())
    result = run(machine, {**marked.options, "login_password": PASSWORD, "lock_timeout": 1})
    assert "waited too long" in result.output
    running = threads.submit(run, machine, {**marked.options, "login_password": PASSWORD})
    wait_until(marked.waiting, "the upgrade")
    machine.kill_upgrader()
    killed = running.result()
    assert "killed by signal 9" in killed.output
    search(machine, result.output + killed.output, watched())
