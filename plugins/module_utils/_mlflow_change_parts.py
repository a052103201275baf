# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What a change of an MLflow server is made of: its databases, and the machine with its units and files. Runs with MLflow's own Python."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import load
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_agent import (
    blockers_named,
    describe_session,
    migrate,
    poll,
    read_revisions,
    saved,
    sessions_in,
    upgrade_lock,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import make_backup
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import APPLICATION, Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import counts
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_restore import check_restore, restore
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import KeptFiles, Service, ServiceError, answers

# Other sessions of an upgrade: the server may be about to commit what a killed process has begun.
LEFTOVERS = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{APPLICATION}' AND pid <> pg_backend_pid()"
KNOWN_EXPERIMENT = "SELECT MAX(experiment_id) FROM experiments WHERE lifecycle_stage = 'active'"
FILES = "files.tar"


class ChangeError(Exception):
    """A step of the change has failed."""


class Database:
    """One of the server's databases."""

    def __init__(self, spec: dict[str, t.Any], limits: dict[str, int]) -> None:
        """spec has name, uri, component and wanted, the revision to reach; for a rollback also dump, the file with it, and counts, its rows."""
        self.name: str = spec["name"]
        self.component: str = spec["component"]
        self.wanted: str = spec["wanted"]
        self._uri: str = spec["uri"]
        self._dump: str | None = spec.get("dump")
        self._counts: dict[str, int] = spec.get("counts") or {}
        self._limits = limits

    def _connect(self) -> Connection:
        return Connection(self._uri, lock_timeout=self._limits["lock_timeout"])

    def prepare(self) -> None:
        """The import of MLflow takes seconds, and the server still serves."""
        if not self._dump:
            load(self.component)

    def locked(self) -> t.Any:
        """Nobody else upgrades or restores it meanwhile."""
        return upgrade_lock({"uri": self._uri, **self._limits})

    def settle(self) -> None:
        """Wait until the server has ended what a killed process had begun. To be called before the lock is taken, which has a session too."""
        with self._connect() as connection:
            if connection.kind == "postgresql":
                poll(lambda: not connection.value(LEFTOVERS), self._limits["wait_timeout"], lambda: "what a killed process has begun is still running")

    def wait_for_others(self) -> None:
        """Raise ChangeError unless all other sessions of the server's own login end: who else writes would do so into a database that may go back."""
        with self._connect() as connection:
            end = time.monotonic() + self._limits["lock_timeout"]
            while others := [one for one in sessions_in(connection.uri, connection) if one.get("user") in (None, connection.uri.user)]:
                if time.monotonic() > end:
                    names = "; ".join(describe_session(one) for one in others)
                    raise ChangeError(f"The database {connection.uri.place} is still used by others than this server: {names}. Stop them first")
                time.sleep(0.2)

    def revision(self) -> str | None:
        with self._connect() as connection:
            return ", ".join(read_revisions(connection, self.component)["revisions"]) or None

    def counts(self) -> dict[str, int]:
        with self._connect() as connection:
            return counts(connection)

    def save(self, folder: str) -> dict[str, t.Any]:
        """Write a backup into the folder; returns what a restore point says of the database."""
        with self._connect() as connection:
            return saved(connection, self.name, self.component, folder, self._limits["lock_timeout"])

    def change(self, saved: dict[str, t.Any]) -> None:
        """Bring it to the wanted revision: by MLflow's migrations, or from the dump of a rollback. saved is what was there before."""
        if self._dump:
            self._restore(self._dump, self._counts)
        elif self.revision() != self.wanted:
            request = {"uri": self._uri, "component": self.component, **self._limits}
            with blockers_named(self._uri):
                migrate(request, empty=False)
        if self.revision() != self.wanted:
            raise ChangeError(f"The database {self.name} ended at revision {self.revision()} in place of {self.wanted}")
        if not self._dump:
            now = self.counts()
            least = {name: rows - saved["movable"].get(name, 0) for name, rows in saved["counts"].items()}
            fewer = [f"{name} has {now[name]} in place of {rows}" for name, rows in least.items() if now.get(name, rows) < rows]
            if fewer:
                raise ChangeError(f"The database {self.name} has lost rows: {', '.join(fewer)}")

    def _restore(self, dump: str, rows: dict[str, int]) -> None:
        with self._connect() as connection:
            check_restore(connection, dump)
            with blockers_named(self._uri):
                restore(connection, dump, self._limits["lock_timeout"])
            if counts(connection) != rows:
                raise ChangeError(f"The database {self.name} has not the rows of {dump} after its restore")

    def go_back(self, saved: dict[str, t.Any], dump: str, evidence: str | None) -> None:
        """Bring it back to what was saved, unless it is just that. With evidence, a file, what is there now is saved first."""
        with self._connect() as connection:
            revision = ", ".join(read_revisions(connection, self.component)["revisions"]) or None
            same = counts(connection) == saved["counts"] and revision == saved["revision"]
            # Where migrations are one transaction they have happened or not. Elsewhere one that was broken off may have changed something.
            if same and connection.kind == "postgresql" and not self._dump:
                return
            if evidence and not os.path.exists(evidence):
                make_backup(connection, evidence, self._limits["lock_timeout"])
        self._restore(dump, saved["counts"])

    def known_experiment(self) -> str | None:
        if self.component != "tracking":
            return None
        with self._connect() as connection:
            # Who names no workspace is asked about the default one.
            here = " AND workspace = 'default'" if "workspace" in connection.columns("experiments") else ""
            found = connection.value(KNOWN_EXPERIMENT + here)
            return None if found is None else str(found)


def call(argv: list[str], **_unused: t.Any) -> tuple[int, str, str]:
    """A command, as AnsibleModule.run_command runs it."""

    async def run() -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")

    return asyncio.run(run())


class Server:
    """The units of MLflow on this machine, and the files that they read."""

    def __init__(self, spec: dict[str, t.Any]) -> None:
        """spec has units, version, tls and login_file as mlflow_service does, timeout, files, kept_file, environment_files, stopped (a path),
        and either link with its target or files_to_restore, those of a restore point."""
        self._spec = spec
        self._kept = KeptFiles(spec["kept_file"], spec["files"])
        # For a rollback, those of the restore point: another version may have other units.
        self._target = KeptFiles(spec["files_to_restore"], spec["files"]) if spec.get("files_to_restore") else None
        self._service = Service(call, self._target.read()[0] if self._target else spec, spec["timeout"])

    def stop(self) -> None:
        """Also at the next boot it stays down, until `start` is called."""
        os.close(os.open(self._spec["stopped"], os.O_CREAT | os.O_WRONLY, 0o600))
        for service in [self._service, *self._former()]:
            service.halt()

    def _former(self) -> list[Service]:
        return [Service(call, self._kept.read()[0], self._spec["timeout"])] if self._kept.exists() else []

    def save(self, folder: str) -> None:
        """Keep the files of the server that served last, if one did."""
        if self._kept.exists():
            shutil.copyfile(self._spec["kept_file"], os.path.join(folder, FILES))

    def switch(self) -> None:
        """Put the files of the new version in their places."""
        if self._target:
            self._target.put_back()
        else:
            link, target = self._spec["link"], self._spec["target"]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{link}.part")
            os.symlink(target, f"{link}.part")
            os.rename(f"{link}.part", link)

    def start(self, experiment: str | None) -> None:
        """Start it and see that it serves, with an experiment that must be there."""
        os.unlink(self._spec["stopped"])
        self._service.enable()
        self._service.restart_and_prove(self._service.names)
        if experiment is not None:
            self._ask_for(experiment)
        self._kept.keep(self._service.proof)

    def _ask_for(self, experiment: str) -> None:
        unit = self._service.units[0]
        if self._service.access.single_sign_on:
            return
        for _path, status, _body in answers(unit, self._service.access, [f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}"], 60):
            if status != http.client.OK:
                raise ServiceError(f"{unit.name} answers {status} when it is asked for the experiment {experiment}, which is in the database", unit.name)

    def put_back(self) -> None:
        """The files of the server that serves, where a run has written those of the next one already."""
        if self._kept.exists() and self._kept.differ():
            self._kept.put_back()

    def start_former(self, folder: str | None) -> bool:
        """Go back to the files in a restore point, or to the ones that are kept, and see that the server serves. Returns whether there was one before."""
        archive = os.path.join(folder, FILES) if folder else self._spec["kept_file"]
        if not os.path.exists(archive):
            return False
        kept = KeptFiles(archive, self._spec["files"])
        former = Service(call, kept.read()[0], self._spec["timeout"])
        former_names = former.names
        self._service.stop_others(former_names)
        kept.put_back()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._spec["stopped"])
        former.restart_and_prove(former_names)
        self._kept.keep(former.proof)
        return True
