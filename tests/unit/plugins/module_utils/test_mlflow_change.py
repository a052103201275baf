# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change that stops after any of its actions is brought to an end, or undone, by the next process."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change import ATTEMPTS, Change, Journal
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_parts import FILES, ChangeError
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import ServiceError
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import RestorePoint

OLD, NEW = "old", "new"
STEPS = ["prepare db0", "prepare db1", "stop", "save db0", "save db1", "change db0", "check db0", "change db1", "check db1", "switch", "start"]


class Cut(BaseException):
    """What a kill is like: nothing of this process runs any more."""


class World:
    """The disk, the databases and the server, which outlive a process. A process may do so many actions before it is killed."""

    def __init__(self, folder, kind="upgrade", databases=2):
        self.folder = str(folder)
        self.kind = kind
        self.left = None
        self.failing = None
        self.server = Server
        self.actions = []
        self.contents = {f"db{number}": OLD for number in range(databases)}
        self.serving = OLD
        self.link = OLD
        self.up = True

    def act(self, name):
        """Before it is done."""
        if self.left is not None:
            if self.left == 0:
                raise Cut
            self.left -= 1
        self.actions.append(name)
        if self.failing == name:
            self.failing = None
            raise ChangeError(f"{name} failed")

    def process(self):
        os.makedirs(self.folder, exist_ok=True)
        journal = Journal(os.path.join(self.folder, "journal.json"))
        facts = {"kind": self.kind, "mlflow_version": OLD, "target_version": NEW}
        databases = [Database(self, name) for name in self.contents]
        point = RestorePoint(self.folder, "point")
        return Change(databases, self.server(self), point, journal, {"upgrade_timeout": 0}, facts).run()

    def run(self, actions=None):
        """Until the end, or until the process is killed after so many actions."""
        self.left = actions
        try:
            return self.process()
        except Cut:
            return None


class Database:
    wanted = NEW

    def __init__(self, world, name):
        self.world = world
        self.name = name

    def settle(self):
        pass

    def prepare(self):
        self.world.act(f"prepare {self.name}")

    def locked(self):
        return contextlib.nullcontext()

    def wait_for_others(self):
        assert not self.world.up

    def revision(self):
        return self.world.contents[self.name]

    def known_experiment(self):
        return None

    def save(self, folder):
        self.world.act(f"save {self.name}")
        with open(os.path.join(folder, self.name), "w", encoding="utf-8") as stream:
            stream.write(self.revision())
        return {"name": self.name, "file": self.name, "revision": self.revision()}

    def change(self, saved):
        assert not self.world.up
        if self.revision() != NEW:
            self.world.act(f"change {self.name}")
            self.world.contents[self.name] = NEW
        self.world.act(f"check {self.name}")

    def go_back(self, saved, dump, evidence):
        assert not self.world.up
        self.world.act(f"restore {self.name}")
        with open(dump, encoding="utf-8") as stream:
            self.world.contents[self.name] = stream.read()


class Server:
    def __init__(self, world):
        self.world = world

    def stop(self):
        self.world.act("stop")
        self.world.up = False

    def save(self, folder):
        with open(os.path.join(folder, FILES), "w", encoding="utf-8") as stream:
            stream.write(self.world.link)

    def switch(self):
        self.world.act("switch")
        self.world.link = NEW

    def start(self, experiment):
        self.world.up, self.world.serving = True, self.world.link
        self.world.act("start")

    def put_back(self):
        self.world.act("put back")

    def start_former(self, folder):
        self.world.act("start former")
        self.world.up, self.world.serving, self.world.link = True, OLD, OLD
        return True


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "restore")


def fits(world):
    """The server runs, with the version that its databases are made for."""
    return world.up and set(world.contents.values()) == {world.serving} == {world.link}


def test_all_goes_well(world):
    result = world.run()
    assert result["done"]
    assert world.actions == STEPS
    assert fits(world)
    assert world.serving == NEW
    assert set(result["seconds"]) == {"stop", "save", "change", "switch", "start"}


@pytest.mark.parametrize("failing", STEPS[1:])
def test_what_fails_is_undone(world, failing):
    world.failing = failing
    result = world.run()
    assert not result["done"]
    assert result["error"]["text"] == f"{failing} failed"
    assert fits(world)
    assert world.serving == OLD
    # Only what was changed goes back: a restore takes time, and before the change there is nothing to restore.
    restored = [action for action in world.actions if action.startswith("restore")]
    assert bool(restored) == (STEPS.index(failing) > STEPS.index("save db1"))
    assert ("start former" in world.actions) == (failing != "prepare db1")
    assert os.path.exists(world.folder + "/point/manifest.json") == bool(restored)


@pytest.mark.parametrize("failing", [None, "change db1", "start"])
@pytest.mark.parametrize("killed_after", range(17))
def test_a_killed_process_is_followed_by_one_that_settles_it(world, failing, killed_after):
    world.failing = failing
    result = world.run(killed_after)
    if result is None:
        result = world.run()
    assert fits(world)
    assert world.serving == (NEW if result["done"] else OLD)
    if failing:
        assert not result["done"]


@pytest.mark.parametrize("first", range(16))
def test_so_are_two_that_were_killed(world, first):
    for killed_after in range(12):
        world = World(f"{world.folder}-{first}-{killed_after}")
        if world.run(first) is None and world.run(killed_after) is None:
            assert world.run() is not None
        assert fits(world)


def test_one_that_is_killed_each_time_is_undone(world):
    """As where the new version takes all the memory."""
    before_the_start = 10
    for _number in range(ATTEMPTS):
        assert world.run(before_the_start) is None
        before_the_start = 4
    result = world.run()
    assert not result["done"]
    assert fits(world)
    assert world.serving == OLD


def test_the_first_failure_is_what_is_told(world):
    """Not that of an undo that has to be tried again."""
    world.failing = "change db0"
    assert world.run(7) is None
    result = world.run()
    assert result["error"]["text"] == "change db0 failed"
    assert result["phase"] == "change"


def test_an_undo_that_fails_keeps_everything(world):
    world.contents["db1"] = "elsewhere"

    class Broken(Database):
        def go_back(self, saved, dump, evidence):
            raise ChangeError("no connection")

    world.failing = "check db1"
    journal = Journal(os.path.join(world.folder, "journal.json"))
    os.makedirs(world.folder)
    facts = {"kind": "upgrade", "mlflow_version": OLD, "target_version": NEW}
    change = Change(
        [Broken(world, name) for name in world.contents], Server(world), RestorePoint(world.folder, "point"), journal, {"upgrade_timeout": 0}, facts
    )
    with pytest.raises(ChangeError, match="no connection"):
        change.run()
    assert not world.up
    assert RestorePoint(world.folder, "point").load()
    # The next one can.
    assert not world.run()["done"]
    assert world.up
    assert world.contents == {"db0": OLD, "db1": "elsewhere"}


def test_a_rollback_does_not_restore_again_what_has_served(world):
    """What was written since then would be lost."""
    world.kind = "rollback"
    before_the_start = 10
    assert world.run(before_the_start) is None
    world.actions.clear()
    assert world.run()["done"]
    assert world.actions == ["prepare db0", "prepare db1", "stop", "switch", "start"]


def test_a_former_server_that_is_slow_is_left_alone(world):
    class Slow(Server):
        def start_former(self, folder):
            super().start_former(folder)
            raise ServiceError("does not answer yet")

    world.failing = "start"
    world.server = Slow
    result = world.run()
    assert result["former_problem"] == "does not answer yet"
    assert fits(world)


def test_what_is_left_of_an_unfinished_restore_point_is_removed(world):
    assert world.run(4) is None
    assert not world.run()["done"]
    assert os.listdir(world.folder) == ["journal.json"]
    with open(os.path.join(world.folder, "journal.json"), encoding="utf-8") as stream:
        assert json.load(stream)["phase"] == "undo"
