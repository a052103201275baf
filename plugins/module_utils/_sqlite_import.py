# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The way from a SQLite file or a folder of MLflow to PostgreSQL: a copy at the target's version is examined and repaired, and then goes over as a whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import Database
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


class Import:
    """What happens is kept in result, also when an error ends it."""

    def __init__(self, run_command: t.Callable[..., t.Any], options: dict[str, t.Any]) -> None:
        self.options = options
        self.source = options["source"]
        self.limits = {name: options[name] for name in ("lock_timeout", "wait_timeout")}
        self.target = Database.from_options(run_command, options)
        if self.target.uri.kind != "postgresql":
            raise MlflowDbError(f"The content of a SQLite file can be brought to PostgreSQL only, not to {self.target.uri.kind}")
        if not os.path.isabs(self.source):
            raise MlflowDbError(f"source must be an absolute path, not {self.source}")
        if options["orphans"] == "keep_aside" and not options["aside"]:
            raise MlflowDbError("orphans=keep_aside needs aside, the file that they go to")
        self.work_dir = options["work_dir"] or os.path.dirname(self.source)
        self.result: dict[str, t.Any] = {"changed": False}

    def run(self, check_mode: bool) -> None:
        start = time.monotonic()
        try:
            folder = tempfile.mkdtemp(prefix="mlflow_sqlite_import-", dir=self.work_dir)
        except OSError as exc:
            raise MlflowDbError(f"There can be no copy in work_dir: {exc}") from exc
        copy = os.path.join(folder, "source.db")
        try:
            self._run(copy, check_mode)
        except MlflowDbError as exc:
            raise MlflowDbError(str(exc).replace(copy, self.source)) from exc
        finally:
            shutil.rmtree(folder)
            self.result["seconds"] = round(time.monotonic() - start, 1)

    def _run(self, copy: str, check_mode: bool) -> None:
        target = self.target
        source = self._from_folder(f"{copy}.mlruns") if os.path.isdir(self.source) else self.source
        sums = target._ask("take_sqlite", source=source, copy=copy)
        staged = Database(target.run_command, f"sqlite:///{copy}", target.python, target.component, target.timeout)
        staged.deadline = target.deadline
        found = staged.info(upgrade=True)
        if found["state"] == "empty":
            raise MlflowDbError(f"The file {self.source} has no tables")
        there = target.info(upgrade=True)
        if there["state"] == "behind":
            raise MlflowDbError(f"The database {target.uri.place} is not empty, but at the older revision {there['current_revision']}: use an empty one")
        self.result.update(source_revision=found["current_revision"], current_revision=there["head_revision"], mlflow_version=there["mlflow_version"])
        if found["state"] == "behind":
            staged.upgrade(found, **self.limits)
        self._examine(staged, f"{copy}.aside")
        if there["state"] == "current":
            tables = target._ask("compare_sqlite", copy=copy)["tables"]
            if tables is not None:
                self._refuse_different(tables)
                return
        if not check_mode:
            self._import(source, copy, sums, there)
        self.result["changed"] = True

    def _from_folder(self, path: str) -> str:
        """A SQLite file of what is in a folder mlruns, made by MLflow itself, which only reads the folder."""
        before = listing(self.source)
        argv = [self.target.python, "-I", "-m", "mlflow", "migrate-filestore", f"--source={self.source}", f"--target=sqlite:///{path}", "--no-progress"]
        status, _output, errors = self.target.run_command(argv, environ_update={"MLFLOW_DISABLE_TELEMETRY": "true"}, cwd="/")
        if status:
            raise MlflowDbError(f"MLflow {self.target.mlflow_version} cannot make a SQLite file of the folder {self.source}: {errors.strip()[-1000:]}")
        warnings = [line for line in errors.splitlines() if " WARNING mlflow.store.fs2db" in line]
        if warnings:
            raise MlflowDbError(f"MLflow would leave out {len(warnings)} parts of {self.source}, repair them or move them away: {'; '.join(warnings[:5])}")
        if listing(self.source) != before:
            raise MlflowDbError(f"The folder {self.source} changed while it was read: stop the server that uses it")
        return path

    def _examine(self, staged: Database, aside: str) -> None:
        choices = {name: self.options[name] for name in ("orphans", "invalid_text", "large_experiments")}
        found = staged._ask("examine_sqlite", aside=aside, artifact_roots=self.options["artifact_roots"] or {}, **choices)
        self.result.update(
            findings=found["findings"],
            findings_total=found["total"],
            tables=[{"name": name, "rows": rows} for name, rows in found["rows"].items()],
            artifact_roots=found["artifact_roots"],
            artifacts_moved=found["moved"],
        )
        refused = [describe(finding) for finding in found["findings"] if finding["action"] == "refused"]
        if found["refused"]:
            raise MlflowDbError(
                f"PostgreSQL would not take {found['refused']} rows or values of {self.source} as they are, see findings: {'; '.join(refused[:3])}. "
                "The options orphans, invalid_text and large_experiments say what may be done, the rest has to be repaired in a copy of the file"
            )

    def _refuse_different(self, tables: list[dict[str, t.Any]]) -> None:
        """A target in which everything is already is as wanted."""
        different = [table["name"] for table in tables if table["source"] != table["target"]]
        if different:
            raise MlflowDbError(f"The database {self.target.uri.place} is not empty, and has another content than {self.source} in: {', '.join(different)}")
        self.result["tables"] = [{"name": table["name"], "rows": table["target"][0], "hash": table["target"][1]} for table in tables]

    def _import(self, source: str, copy: str, sums: dict[str, str], there: dict[str, t.Any]) -> None:
        target = self.target
        kept = self._keep_aside(f"{copy}.aside")
        try:
            if there["state"] == "empty":
                target.upgrade(there, **self.limits)
            self.result["tables"] = target._ask("import_sqlite", source=source, copy=copy, sums=sums, **self.limits)
        except MlflowDbError:
            if kept:
                os.unlink(kept)
            if there["state"] == "empty":
                target.timeout, target.deadline = None, time.monotonic() + 30
                # Where the server is gone, the next attempt finds the empty tables and goes on.
                with contextlib.suppress(MlflowDbError):
                    target._ask("empty", **self.limits)
            raise

    def _keep_aside(self, made: str) -> str | None:
        """On disk before the target has the rest."""
        if not os.path.exists(made) or not os.path.getsize(made):
            return None
        path = self.options["aside"]
        if os.path.exists(path):
            raise MlflowDbError(f"{path} is there already: move it away, it may hold the rows of another import")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        shutil.move(made, path)
        os.chmod(path, 0o600)
        return t.cast(str, path)


def listing(folder: str) -> list[tuple[str, int, int]]:
    """All files with size and time."""
    paths = [os.path.join(parent, name) for parent, _folders, names in os.walk(folder) for name in names]
    return sorted((path, status.st_size, status.st_mtime_ns) for path in paths for status in [os.lstat(path)])


def describe(finding: dict[str, t.Any]) -> str:
    key = ", ".join(f"{name} {value}" for name, value in finding["key"].items())
    return f"{finding['table']} ({key}){' ' + finding['column'] if finding['column'] else ''}: {finding['problem']}"
