# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""One change of an MLflow server, an upgrade or a rollback, with the way back. Runs with MLflow's own Python.

It is a systemd unit, so that no run of Ansible can take it along when it dies. Its steps: stop, save a restore point, change the databases, switch to
the other files, start and prove. Whatever fails, the databases and files of the restore point come back. A journal says how far it is. A process
that finds one which another has left, after a kill or a power failure, ends the change or undoes it, by what it sees in the databases.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_change_parts import FILES, ChangeError, Database, Server, call
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_agent import describe
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import ServiceError
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import Uri
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import RestorePoint, RestorePointError, to_prune, write_json

# In the folder of the restore points, where what begins with a dot is none.
WORK = ".change"
RESULT = ".last.json"
# Bytes that a change keeps free for the words of its way back, which must be written on a full disk, too.
ROOM = 1 << 18
# A change that kills the process each time that it is gone on with is undone.
ATTEMPTS = 3


class Journal:
    """How far the change is, for whoever has to go on with it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._room = f"{path}.room"
        self._facts: dict[str, t.Any] = {}
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:
            self._facts = json.load(stream)

    def __getitem__(self, name: str) -> t.Any:
        return self._facts.get(name)

    def note(self, **facts: t.Any) -> None:
        self._facts.update(facts)
        write_json(self._path, self._facts)

    def keep_room(self) -> None:
        with open(self._room, "wb") as stream:
            stream.write(os.urandom(ROOM))

    def give_room(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._room)


class Change:
    """Of databases and a server, as in _mlflow_change_parts. point is where they are saved."""

    def __init__(self, databases: list[t.Any], server: t.Any, point: RestorePoint, journal: Journal, limits: dict[str, int], facts: dict[str, t.Any]) -> None:
        """limits in seconds. facts are what the manifest says besides the databases: kind, mlflow_version, target_version and more."""
        self._databases = databases
        self._server = server
        self._point = point
        self._journal = journal
        self._limits = limits
        self._facts = facts
        # Which database the step in hand is about.
        self.database: str | None = None

    def run(self) -> dict[str, t.Any]:
        """Returns the result; raises only where the change could not be undone either."""
        for database in self._databases if self._journal["phase"] else []:
            database.settle()
        with contextlib.ExitStack() as stack:
            try:
                for database in self._each():
                    database.prepare()
                    stack.enter_context(database.locked())
                if self._journal["phase"]:
                    self._go_on()
                else:
                    self._go()
            except Exception as exc:
                return self._undo(exc)
            return {"done": True, "seconds": self._journal["seconds"], "interrupted": self._journal["problem"]}

    def _each(self) -> t.Iterator[t.Any]:
        for database in self._databases:
            self.database = database.name
            yield database
        self.database = None

    @contextlib.contextmanager
    def _timed(self, phase: str, **facts: t.Any) -> t.Iterator[None]:
        self._journal.note(phase=phase, **facts)
        begin = time.monotonic()
        yield
        self._journal.note(seconds={**(self._journal["seconds"] or {}), phase: round(time.monotonic() - begin, 2)})

    def _go(self) -> None:
        self._journal.keep_room()
        with self._timed("stop", began=time.time()):
            self._server.stop()
        with self._timed("save"):
            self._save()
        self._change()
        self._start()

    def _save(self) -> None:
        self._point.create()
        saved = []
        for database in self._each():
            database.wait_for_others()
            saved.append(database.save(self._point.path))
        self._server.save(self._point.path)
        self._point.seal(databases=saved, **self._facts)

    def _change(self) -> None:
        saved = {one["name"]: one for one in self._point.load()["databases"]}
        with self._timed("change"), self._watched():
            for database in self._each():
                database.change(saved[database.name])

    def _start(self) -> None:
        with self._timed("switch"):
            known = [database.known_experiment() for database in self._each()]
            self._server.switch()
        with self._timed("start"):
            self._server.start(next(filter(None, known), None))

    @contextlib.contextmanager
    def _watched(self) -> t.Iterator[None]:
        """What takes too long ends with this process: its driver hears nothing else. The next one undoes the change."""
        limit = self._limits["upgrade_timeout"]
        if not limit:
            yield
            return

        def end() -> None:
            self._journal.note(problem=f"The databases were not changed within upgrade_timeout={limit} s", attempts=ATTEMPTS)
            os._exit(1)

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _go_on(self) -> None:
        """With what another process has begun. An error is a reason to undo it."""
        problem = self._journal["problem"] or f"The process was killed, or the machine went down, in the step {self._journal['phase']}"
        attempts = (self._journal["attempts"] or 0) + 1
        self._journal.note(problem=problem, attempts=attempts)
        if self._journal["phase"] in ("stop", "save", "undo") or attempts >= ATTEMPTS:
            raise ChangeError(problem)
        # A migration that was broken off is not tried again.
        if self._facts["kind"] == "upgrade" and any(database.revision() != database.wanted for database in self._each()):
            raise ChangeError(problem)
        interrupted = self._journal["phase"]
        self._server.stop()
        if interrupted == "change":
            self._change()
        self._start()

    def _undo(self, failure: Exception) -> dict[str, t.Any]:
        self._journal.give_room()
        result = {"done": False, "error": describe(failure), "database": self.database, "phase": self._journal["phase"]}
        phase = self._journal["undone"] or self._journal["phase"]
        if phase is None:
            # The server still runs.
            self._server.put_back()
            return result
        result.update(self._journal["failure"] or {})
        self._journal.note(phase="undo", undone=phase, failure=result)
        self._server.stop()
        try:
            saved = self._point.load()["databases"]
        except RestorePointError:
            if phase not in ("stop", "save"):
                raise
            # Nothing was changed yet, and what is not finished is of no use.
            if os.path.isdir(self._point.path):
                self._point.remove()
            return self._start_former(result, None)
        if phase not in ("stop", "save"):
            by_name = {one["name"]: one for one in saved}
            for database in self._each():
                one = by_name[database.name]
                evidence = self._point.file(f"after-{one['file']}") if phase == "start" else None
                database.go_back(one, self._point.file(one["file"]), evidence)
        return self._start_former(result, self._point.path if os.path.exists(self._point.file(FILES)) else None)

    def _start_former(self, result: dict[str, t.Any], folder: str | None) -> dict[str, t.Any]:
        try:
            result["former"] = self._server.start_former(folder)
        except ServiceError as exc:
            # To stop and start it again and again would not help: databases and files are those with which it has served.
            result["former_problem"] = str(exc)
        return result


def prune(folder: str, keep: int, spare: str) -> None:
    for name in to_prune(folder, keep, [spare]):
        RestorePoint(folder, name).remove()


def run(request: dict[str, t.Any]) -> None:
    """request is in the words of _mlflow_change_unit."""
    folder, limits = request["restore_dir"], request["limits"]
    journal = Journal(os.path.join(folder, WORK, "journal.json"))
    result: dict[str, t.Any] = {"change": request["name"], "closed": False}
    point = RestorePoint(folder, request["name"])
    try:
        databases = [Database(spec, limits) for spec in request["databases"]]
        server = Server(request["server"])
        change = Change(databases, server, point, journal, limits, request["facts"])
        result.update(change.run(), closed=True)
        result["restore_point"] = point.path if os.path.isdir(point.path) else None
        if journal["began"]:
            result["down_seconds"] = round(time.time() - journal["began"], 1)
        if result["done"]:
            # What cannot be removed now is left for the next time.
            with contextlib.suppress(OSError):
                prune(folder, request["keep"], request["name"])
    except Exception as exc:
        result.update({**(journal["failure"] or {}), "done": False, "problem": describe(exc), "restore_point": point.path})
    journal.give_room()
    write_json(os.path.join(folder, RESULT), result)
    if result["closed"]:
        close(request)
    else:
        text = str(result["problem"]["text"])
        for spec in request["databases"]:
            text = Uri(spec["uri"]).scrub(text)
        # systemd starts it again, and then it may succeed.
        raise SystemExit(f"The change can neither be ended nor undone yet: {text}")


def close(request: dict[str, t.Any]) -> None:
    """Nothing is left to be gone on with, at the next boot or by the next run."""
    for name in request["leave"]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    call(["systemctl", "daemon-reload"])
