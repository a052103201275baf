"""Both hosts, each with its own databases, so that two processes can test them at the same time."""

from __future__ import annotations

import contextlib
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import testbed
from xdist.scheduler import LoadScopeScheduling

# To load all plugins takes longer than it saves in a play of one task.
os.environ.pop("ANSIBLE_CALLBACKS_ENABLED", None)


class OneProcessForEachHost(LoadScopeScheduling):
    """A test's host stands in its name."""

    def _split_scope(self, nodeid):
        return re.search(r"debian1\d", nodeid)[0]


def pytest_xdist_make_scheduler(config, log):
    return OneProcessForEachHost(config, log)


@pytest.fixture(scope="session")
def machines():
    return {name: testbed.Machine(name) for name in ("debian12", "debian13")}


@pytest.fixture
def machine(request, machines):
    return machines[request.param]


@pytest.fixture(scope="session")
def base():
    """Makes what tests copy, once for each host and kind of database."""
    made = set()

    def make(database):
        key = (database.machine.name, database.kind)
        if key not in made:
            original = type(database)(database.machine, "/srv/faults/base.db" if database.kind == "sqlite" else "base")
            original.create()
            assert original.machine.upgrade(original, version=testbed.OLD)["changed"]
            original.fill()
            made.add(key)

    return make


def fresh(kind):
    @pytest.fixture
    def database(machine, base):
        found = kind(machine)
        base(found)
        found.start_over()
        return found

    return database


postgresql, mariadb, sqlite = fresh(testbed.Postgresql), fresh(testbed.Mariadb), fresh(testbed.Sqlite)


@pytest.fixture
def sessions():
    """Closes at the end what a test has opened."""
    with contextlib.ExitStack() as stack:
        yield lambda session: stack.enter_context(contextlib.closing(session))


@pytest.fixture
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def backup(machine):
    """A folder that does not exist yet."""
    machine.host.check_output("rm -rf /srv/backup")
    return "/srv/backup"


@pytest.fixture
def small_disk(machine):
    """Mounts a small disk."""
    folder = "/mnt/small"

    def mount(megabytes):
        machine.host.check_output("mkdir -p %s && mount -t tmpfs -o size=%sM none %s", folder, megabytes, folder)
        return folder

    yield mount
    machine.host.check_output("umount %s", folder)
