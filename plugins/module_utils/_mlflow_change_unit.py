# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Hands a change of an MLflow server over to systemd, waits for it, and says in words how it went."""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_change, _mlflow_change_parts, _mlflow_service, _systemd
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import BOOTSTRAP, LIMITS, PROGRAMS, Database, source_of
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import PROOF_OPTIONS, KeptFiles, secret_values
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import sync, write_json

ALL_PROGRAMS = (*PROGRAMS, _systemd, _mlflow_service, _mlflow_change_parts, _mlflow_change)
# The units of the server do not start while it is there.
STOPPED = ".stopped"
# Errors that say all themselves.
IN_WORDS = ("ChangeError", "ServiceError")
UNIT = """\
# Made for one change of MLflow's databases. It removes itself when that is over.
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target postgresql.service mysql.service mariadb.service
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=MLFLOW_DISABLE_TELEMETRY=true
ExecStart="{python}" -I "{program}"
StandardInput=file:{request}
UMask=0077
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
ARGUMENTS: dict[str, t.Any] = {
    "backend_store_uris": {"type": "list", "elements": "str", "required": True, "no_log": True},
    "auth_database_uri": {"type": "str", "no_log": True},
    "auth_component": {"type": "str", "choices": ["auth", "oidc"], "default": "auth"},
    "virtualenv": {"type": "path", "required": True},
    "restore_dir": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 3},
    "kept_file": {"type": "path", "required": True},
    **LIMITS,
    "upgrade_timeout": {"type": "int", "default": 3600},
    **_mlflow_service.ARGUMENTS,
}


class Unit:
    """The change of one server, by the options of a module that has ARGUMENTS."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._asked = module.params
        self.folder: str = self._asked["restore_dir"]
        work = os.path.join(self.folder, _mlflow_change.WORK)
        self._program, self._request, self._journal = (os.path.join(work, name) for name in ("change.py", "request.json", "journal.json"))
        self.name = f"{self._asked['units'][0]['name'].removesuffix('.service')}-change.service"
        self._file = f"/etc/systemd/system/{self.name}"
        self._wanted = f"/etc/systemd/system/multi-user.target.wants/{self.name}"
        module.no_log_values.update(secret_values(self._asked["environment_files"], self._asked["login_file"]))
        uris = {f"tracking-{number}" if number > 1 else "tracking": uri for number, uri in enumerate(self._asked["backend_store_uris"], 1)}
        self.databases = {name: self._database(uri, "tracking") for name, uri in uris.items()}
        if self._asked["auth_database_uri"]:
            component = self._asked["auth_component"]
            self.databases[component] = self._database(self._asked["auth_database_uri"], component)

    def _database(self, uri: str, component: str) -> Database:
        return Database(self._module.run_command, uri, os.path.join(self._asked["virtualenv"], "bin", "python"), component)

    def make_folder(self) -> None:
        os.makedirs(os.path.dirname(self._request), mode=0o700, exist_ok=True)
        if os.stat(self.folder).st_uid != os.geteuid():
            raise MlflowDbError(f"{self.folder} belongs to another user, who could replace what is saved there: give it to root")
        os.chmod(self.folder, 0o700)

    def is_open(self) -> bool:
        """Whether a change has begun and is not over: its process runs, or waits to be started again."""
        return os.path.exists(self._request)

    def former_version(self) -> str:
        kept = KeptFiles(self._asked["kept_file"], [])
        return (kept.read()[0]["version"] if kept.exists() else None) or "unknown"

    def run(self, name: str, facts: dict[str, t.Any], databases: dict[str, dict[str, t.Any]], **server: t.Any) -> dict[str, t.Any]:
        """Make the change and wait for its end. databases has for each name what a Database of _mlflow_change_parts wants besides; returns the result."""
        asked = self._asked
        specs = [{"name": key, "uri": one.uri.text, "component": one.component, **databases[key]} for key, one in self.databases.items()]
        stopped = os.path.join(self.folder, STOPPED)
        request = {
            "programs": source_of(ALL_PROGRAMS),
            "name": name,
            "restore_dir": self.folder,
            "databases": specs,
            "server": {**{key: asked[key] for key in (*PROOF_OPTIONS, "timeout", "files", "kept_file")}, "stopped": stopped, **server},
            "limits": {key: asked[key] for key in ("lock_timeout", "wait_timeout", "upgrade_timeout")},
            "facts": facts,
            "keep": asked["keep"],
            # The unit first: without its request it could do nothing.
            "leave": [self._wanted, self._file, self._request, self._journal, self._program],
        }
        write(self._program, BOOTSTRAP, 0o600)
        write(self._file, self._unit(facts), 0o644)
        with contextlib.suppress(FileExistsError):
            os.symlink(self._file, self._wanted)
        write_json(self._request, request)
        self._systemctl("daemon-reload")
        return self._wait(name)

    def _unit(self, facts: dict[str, t.Any]) -> str:
        values = {"python": os.path.join(self._asked["virtualenv"], "bin", "python"), "program": self._program, "request": self._request}
        described = f"{facts['kind'].capitalize()} of MLflow's databases, from {facts['mlflow_version']} to {facts['target_version']}"
        return UNIT.format(description=described, **{key: value.replace("%", "%%") for key, value in values.items()})

    def finish(self) -> dict[str, t.Any]:
        """Wait for the end of a change that an earlier run has begun."""
        with open(self._request, encoding="utf-8") as stream:
            return self._wait(json.load(stream)["name"])

    def _wait(self, name: str) -> dict[str, t.Any]:
        # It is asked for before the unit is started: that of an earlier attempt says nothing of this one.
        before = self._result(name)
        self._systemctl("start", self.name)
        while True:
            result = self._result(name)
            if result is not None and (result["closed"] or result != before):
                if result["closed"]:
                    self._wait_for_its_end()
                return result
            if self._has_ended() and self._result(name) in (None, before):
                raise MlflowDbError(f"{self.name} has ended without a result: see journalctl -u {self.name}")
            time.sleep(0.2)

    def _wait_for_its_end(self) -> None:
        """When all is said, the process still removes its files. Those of the next change have the same names."""
        for _time in range(300):
            if self._has_ended():
                return
            time.sleep(0.2)

    def _has_ended(self) -> bool:
        (state,) = _systemd.properties(self._module.run_command, [self.name], "ActiveState,SubState")
        return state["ActiveState"] in ("failed", "inactive")

    def _result(self, name: str) -> dict[str, t.Any] | None:
        try:
            with open(os.path.join(self.folder, _mlflow_change.RESULT), encoding="utf-8") as stream:
                result: dict[str, t.Any] = json.load(stream)
        except FileNotFoundError:
            return None
        return result if result["change"] == name else None

    def _systemctl(self, *words: str) -> None:
        status, out, err = self._module.run_command(["systemctl", *words])
        if status:
            raise MlflowDbError(f"systemctl {' '.join(words)}: {(err or out).strip()}")

    def failure(self, result: dict[str, t.Any]) -> str:
        """In words, what has gone wrong and what is the case now."""
        error = result.get("error") or result["problem"]
        database = self.databases.get(result.get("database") or "")
        what = database.explain(error) if database and error["kind"] not in IN_WORDS else error["text"]
        for one in self.databases.values():
            what = one.uri.scrub(what)
        text = [f"{what.rstrip('.')}."]
        if not result["closed"]:
            for one in self.databases.values():
                problem = one.uri.scrub(result["problem"]["text"])
            text.append(
                f"The change could not be undone yet: {problem}. What was saved is in {result['restore_point']} and stays there. "
                f"{self.name} tries again every few seconds; see journalctl -u {self.name} for why it cannot."
            )
        elif result["phase"] is None:
            text.append("Nothing has been changed, and the server serves as before.")
        else:
            text.append("The databases are as they were.")
            if result.get("former_problem"):
                text.append(f"The former files were put back and the server was started, but it does not serve yet: {result['former_problem']}")
            else:
                text.append("The former version serves again." if result["former"] else "No server has served here before, so none runs now.")
            if result["restore_point"]:
                text.append(f"The restore point {result['restore_point']} is kept.")
        return "\n".join(text)


def write(path: str, text: str, mode: int) -> None:
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode)
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    sync(path)
    sync(os.path.dirname(path))
