# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Restarts MLflow, asks it whether it serves, and goes back to the files with which it did."""

from __future__ import annotations

import base64
import configparser
import contextlib
import http.client
import io
import json
import os
import re
import socket
import ssl
import tarfile
import tempfile
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import read_environment_file
from ansible_collections.mlops.mlflow.plugins.module_utils._systemd import properties, unit_states

SECRET_NAME = re.compile(r"SECRET|PASS|PWD|TOKEN|KEY|CREDENTIAL|CONNECTION_STRING|LOGIN|AUTH|SAS|DSN|PRIVATE", re.IGNORECASE)
# The name of a key, which is a word that the messages of a server need.
NAME_OF_A_KEY = re.compile(r"KEY_ID$", re.IGNORECASE)
# As SQLAlchemy reads it: a password ends at the first "@".
URI_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]*)@")
# What is shorter cannot be told from other words.
SHORTEST_SECRET = 4
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
# Where mlflow-oidc-auth says that it reaches its database and knows its provider.
READY = "/health/ready"
LOG_LINES = 20
# The parent of uvicorn's workers lives on when they die, and starts others in their place.
WORKER_DIED = re.compile(r"Child process \[[0-9]+\] died")
WORKER_DEATHS = 4
# Among the kept files, how the server that they belong to was asked, by these options.
PROOF = "proof.json"
PROOF_OPTIONS = ("units", "version", "tls", "login_file", "single_sign_on")


# How a module is told about the server.
ARGUMENTS: dict[str, t.Any] = {
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "socket": {"type": "path"},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 5000},
        },
    },
    "version": {"type": "str"},
    "tls": {
        "type": "dict",
        "options": {
            "certificate": {"type": "path", "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "ca": {"type": "path", "required": True},
        },
    },
    "login_file": {"type": "path"},
    "single_sign_on": {"type": "bool", "default": False},
    "files": {"type": "list", "elements": "path", "default": []},
    "environment_files": {"type": "list", "elements": "path", "default": []},
    "timeout": {"type": "int", "default": 300},
}


class ServiceError(Exception):
    """The server does not serve, for the sake of one of its units where that is known."""

    def __init__(self, message: str, unit: str | None = None) -> None:
        super().__init__(message)
        self.unit = unit


class Unit(t.NamedTuple):
    """A unit, and where it listens: on a Unix socket, or on host and port."""

    name: str
    socket: str | None
    host: str
    port: int


class Tls(t.NamedTuple):
    """What the machine shows its server, and whom it believes."""

    certificate: str
    key: str
    ca: str


class Access(t.NamedTuple):
    """How the machine is let in by its own server."""

    tls: Tls | None = None
    # MLflow's configuration of its login, with the administrator.
    login_file: str | None = None
    # Which has no login for a machine, so that all it can see is who is refused.
    single_sign_on: bool = False

    def headers(self) -> dict[str, str]:
        login = read_login(self.login_file)
        if not login:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(f"{login['admin_username']}:{login['admin_password']}".encode()).decode()}


def read_login(path: str | None) -> dict[str, str]:
    """What MLflow's configuration of its login says; nothing where there is none."""
    parser = configparser.ConfigParser()
    return dict(parser["mlflow"]) if path and parser.read(path, encoding="utf-8") else {}


def secret_values(environment_files: list[str], login_file: str | None = None) -> set[str]:
    """What must not be shown of the server's environment."""
    return secrets_in(*map(read_environment_file, environment_files), read_login(login_file))


def secrets_in(*environments: dict[str, str]) -> set[str]:
    """Values of secret variables and passwords in addresses, in each way that they may be written."""
    found: set[str] = set()
    for settings in environments:
        for name, value in settings.items():
            is_secret = SECRET_NAME.search(name) and not NAME_OF_A_KEY.search(name)
            found.update([value] if is_secret else URI_PASSWORD.findall(value))
    spellings: set[str] = set()
    for value in found:
        plain = urllib.parse.unquote(value)
        for text in (value, plain):
            quoted = (urllib.parse.quote(text, safe=""), urllib.parse.quote(text), urllib.parse.quote_plus(text))
            spellings.update([text, *quoted, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]])
    return {spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection_to(unit: Unit, tls: Tls | None, timeout: float) -> http.client.HTTPConnection:
    if unit.socket:
        return UnixConnection(unit.socket, timeout)
    if tls is None:
        return http.client.HTTPConnection(unit.host, unit.port, timeout=timeout)
    context = ssl.create_default_context(cafile=tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)
    return http.client.HTTPSConnection(unit.host, unit.port, timeout=timeout, context=context)


def answers(unit: Unit, access: Access, paths: t.Iterable[str], timeout: float) -> t.Iterator[tuple[str, int, str]]:
    """Of each path what the server answers: the path, the status, and the body."""
    headers = {"Host": f"localhost:{unit.port}", **access.headers()}
    with contextlib.closing(connection_to(unit, access.tls, timeout)) as connection:
        for path in paths:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            yield path, answer.status, answer.read().decode(errors="replace").strip()


def ask(unit: Unit, access: Access, version: str | None, timeout: float) -> str | None:
    """What is wrong with the answers of a server, None when nothing is: its version, and something that is in the database."""
    wanted = {READY: http.client.OK, SEARCH: http.client.UNAUTHORIZED} if access.single_sign_on else dict.fromkeys((SEARCH, "/version"), http.client.OK)
    try:
        for path, status, body in answers(unit, access, wanted, timeout):
            if status == http.client.UNAUTHORIZED != wanted[path] and access.login_file:
                return f"does not take the login of the administrator that {access.login_file} names: in MLflow's database the password is another one"
            if status != wanted[path]:
                return f"answers {status} to {path}: {body[:300]}"
            if path == "/version" and version not in (None, body):
                return f"is MLflow {body[:30]}, not {version}"
    except (OSError, http.client.HTTPException, ValueError, configparser.Error) as exc:
        return f"does not answer: {exc or type(exc).__name__}"
    return None


class Question(threading.Thread):
    """Asks in the background, so that a server which dies while it is asked is found out at once."""

    def __init__(self, unit: Unit, access: Access, version: str | None, timeout: float) -> None:
        super().__init__(daemon=True)
        self._asked = (unit, access, version, timeout)
        self.trouble: str | None = "does not answer"

    def run(self) -> None:
        self.trouble = ask(*self._asked)


class Entry(t.NamedTuple):
    """What is at a path. A folder is without what is in it."""

    kind: bytes
    mode: int
    uid: int
    gid: int
    link: str
    content: bytes


def entries(archive: t.IO[bytes]) -> dict[str, Entry]:
    found = {}
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            found["/" + member.name] = Entry(member.type, member.mode, member.uid, member.gid, member.linkname, stream.read() if stream else b"")
    return found


class KeptFiles:
    """The files with which the server was seen to serve, as an archive for root."""

    def __init__(self, archive: str, paths: list[str]) -> None:
        self._archive = archive
        self._paths = [os.path.normpath(path) for path in paths]

    def exists(self) -> bool:
        return os.path.exists(self._archive)

    def _write(self, stream: t.IO[bytes], proof: dict[str, t.Any]) -> None:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            content = json.dumps(proof).encode()
            member = tarfile.TarInfo(PROOF)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            for path in self._paths:
                if os.path.lexists(path):
                    tar.add(path)

    def keep(self, proof: dict[str, t.Any]) -> None:
        """Keep what is at the paths, and how the server is asked that it belongs to."""
        with replacing(self._archive, 0o600, 0, 0) as stream:
            self._write(stream, proof)

    def read(self) -> tuple[dict[str, t.Any], dict[str, Entry]]:
        with open(self._archive, "rb") as stream:
            found = entries(stream)
        return json.loads(found.pop("/" + PROOF).content), found

    def links(self) -> dict[str, str]:
        """Where the links among them lead."""
        return {path: entry.link for path, entry in self.read()[1].items() if entry.kind == tarfile.SYMTYPE}

    def differ(self) -> bool:
        """Whether putting them back would change anything."""
        present = io.BytesIO()
        self._write(present, {})
        present.seek(0)
        there = entries(present)
        del there["/" + PROOF]
        return there != self.read()[1]

    def put_back(self) -> None:
        """What is kept is there afterwards as it was, and of the other paths nothing."""
        _proof, kept = self.read()
        for path in self._paths:
            remove_others(path, kept)
        for path, entry in kept.items():
            put(path, entry)


@contextlib.contextmanager
def replacing(path: str, mode: int, uid: int, gid: int) -> t.Iterator[t.IO[bytes]]:
    """A stream whose content takes the place of a file when all went well."""
    handle, spare = tempfile.mkstemp(prefix=".mlflow_service.", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            # Who is not root, as in a test, has nobody else's files.
            if os.geteuid() == 0:
                os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
        os.rename(spare, path)
    except BaseException:
        os.unlink(spare)
        raise


def remove_others(path: str, wanted: t.Container[str]) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            remove_others(os.path.join(path, name), wanted)
        if path not in wanted:
            os.rmdir(path)
    elif os.path.lexists(path) and path not in wanted:
        os.unlink(path)


def put(path: str, entry: Entry) -> None:
    if entry.kind == tarfile.DIRTYPE:
        os.makedirs(path, exist_ok=True)
        os.chmod(path, entry.mode)
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid)
    elif entry.kind == tarfile.SYMTYPE:
        spare = f"{path}.{os.getpid()}"
        os.symlink(entry.link, spare)
        os.rename(spare, path)
    else:
        with replacing(path, entry.mode, entry.uid, entry.gid) as stream:
            stream.write(entry.content)


def due_units(states: dict[str, dict[str, t.Any]], names: list[str]) -> list[str]:
    """The units to (re)start: what does not run, and what is older than its files. The first takes the others along."""
    due = [name for name in names if not states[name]["active"] or states[name]["outdated"]]
    return names if names[0] in due else due


def is_due(states: dict[str, dict[str, t.Any]], names: list[str], proven: bool) -> bool:
    """Whether a server does not run what is written, would not start at boot, or was never seen to serve."""
    return bool(due_units(states, names)) or not states[names[0]]["enabled"] or not proven


class Service:
    """The units of one MLflow. The first is the one that systemd starts at boot; it takes the others along."""

    def __init__(self, run_command: t.Callable[..., t.Any], proof: dict[str, t.Any], timeout: float) -> None:
        """How it is asked is in the form of the module's options: PROOF_OPTIONS."""
        self._run = run_command
        # What an older collection has kept says less.
        self.proof = {name: proof.get(name) for name in PROOF_OPTIONS}
        self.units = units = [Unit(**unit) for unit in proof["units"]]
        self.names = [unit.name for unit in units]
        self.timer = f"{units[0].name.removesuffix('.service')}-resume.timer"
        self.access = Access(Tls(**proof["tls"]) if proof["tls"] else None, proof["login_file"], bool(self.proof["single_sign_on"]))
        self._version = proof["version"]
        self._timeout = timeout

    def _systemctl(self, *words: str) -> None:
        status, out, err = self._run(["systemctl", *words])
        if status:
            raise ServiceError((err or out).strip())

    def states(self, files: list[str]) -> dict[str, dict[str, t.Any]]:
        return unit_states(self._run, self.names, dict.fromkeys(self.names, files))

    def enable(self) -> None:
        self._systemctl("enable", self.names[0])

    def restart_and_prove(self, names: list[str]) -> None:
        """Restart units and wait until all serve. An error carries what the server wrote meanwhile."""
        cursor = self._cursor()
        try:
            if names:
                self._systemctl("daemon-reload")
                self._systemctl("restart", *names)
            deadline = time.monotonic() + self._timeout
            starts = self._starts()
            for unit in self.units:
                self._prove(unit, deadline, starts, cursor)
        except ServiceError as exc:
            name = exc.unit or self.names[0]
            lines = self._said(name, cursor)[-LOG_LINES:]
            raise ServiceError("\n".join([str(exc), *([f"The last lines of {name}:"] if lines else []), *lines])) from None

    def _prove(self, unit: Unit, deadline: float, starts: dict[str, str], cursor: str) -> None:
        watched = time.monotonic()
        while True:
            question = Question(unit, self.access, self._version, max(1.0, min(20.0, deadline - time.monotonic())))
            question.start()
            asking = True
            while asking:
                question.join(0.3)
                asking = question.is_alive()
                self._check_life(starts)
                # This reads the journal, which costs more.
                if time.monotonic() > watched + 2:
                    watched = time.monotonic()
                    self._check_workers(unit.name, cursor)
            if question.trouble is None:
                return
            if time.monotonic() > deadline:
                raise ServiceError(f"{unit.name} {question.trouble} (after {self._timeout:g} seconds)", unit.name)
            time.sleep(0.3)

    def _starts(self) -> dict[str, str]:
        return {name: state["NRestarts"] for name, state in zip(self.names, properties(self._run, self.names, "NRestarts"))}

    def _check_life(self, starts: dict[str, str]) -> None:
        found = properties(self._run, self.names, "ActiveState,SubState,NRestarts,Result")
        for name, state in zip(self.names, found):
            if is_dead(state, starts[name]):
                raise ServiceError(f"{name} has ended (systemd: {state['ActiveState']}, {state['Result']})", name)

    def _check_workers(self, name: str, cursor: str) -> None:
        if len([line for line in self._said(name, cursor) if WORKER_DIED.search(line)]) >= WORKER_DEATHS:
            raise ServiceError(f"the workers of {name} end as soon as they are started", name)

    def _cursor(self) -> str:
        _status, out, _err = self._run(["journalctl", "--quiet", "--no-pager", "--lines=0", "--show-cursor"])
        return out.partition("-- cursor: ")[2].strip()

    def _said(self, name: str, cursor: str) -> list[str]:
        """What the server wrote to its log, without the words of systemd, unless there are no others."""
        after = [f"--after-cursor={cursor}"] if cursor else ["--lines=200"]
        for match in (f"_SYSTEMD_UNIT={name}", f"UNIT={name}"):
            _status, out, _err = self._run(["journalctl", "--quiet", "--no-pager", "--output=cat", *after, match])
            lines = [line for line in out.splitlines() if line.strip()]
            if lines:
                return lines
        return []

    def _is_stopped(self) -> bool:
        (state,) = properties(self._run, self.names[:1], "ActiveState")
        return state["ActiveState"] in ("inactive", "failed")

    def _is_armed(self) -> bool:
        return unit_states(self._run, [self.timer], {})[self.timer]["active"]

    def stop(self, resume_seconds: int, check_mode: bool = False) -> bool:
        """Stop the server; after so many seconds systemd starts it again, unless a run did so before."""
        # A run that was lost may have stopped it, and systemd be about to start it.
        wanted = not self._is_stopped() or self._is_armed()
        if wanted and not check_mode:
            self.disarm()
            self._arm(resume_seconds)
            self.halt()
        return wanted

    def halt(self) -> None:
        # systemd waits for those that it is told to stop, not for others that it takes along.
        self._systemctl("stop", *[name for name, state in unit_states(self._run, self.names, {}).items() if state["loaded"]])

    def _arm(self, seconds: int) -> None:
        description = f"Start {self.names[0]}, which a run of Ansible has stopped and not started again"
        options = [f"--unit={self.timer.removesuffix('.timer')}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s", f"--description={description}"]
        status, out, err = self._run(["systemd-run", "--collect", *options, "systemctl", "start", self.names[0]])
        if status:
            raise ServiceError(f"systemd takes no timer: {(err or out).strip()}")

    def resume(self, check_mode: bool = False) -> bool:
        """Start what was stopped, without asking how it is."""
        wanted = self._is_stopped()
        if not check_mode:
            if wanted:
                self._systemctl("start", self.names[0])
            self.disarm()
        return wanted

    def disarm(self) -> None:
        if self._is_armed():
            self._systemctl("stop", self.timer)

    def stop_others(self, names: list[str]) -> None:
        """Stop those of the units that are not among the names."""
        others = [name for name in self.names if name not in names]
        if others:
            self._systemctl("stop", *others)


def is_dead(state: dict[str, str], restarts: str) -> bool:
    """Whether a process of the unit has ended since it was started: systemd may be about to start another, which would end the same way."""
    return state["ActiveState"] in ("failed", "inactive") or state["SubState"].startswith("auto-restart") or state["NRestarts"] != restarts
