# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The clusters of Debian: where they are, what runs them, and which of several versions has the data."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pathlib
import shutil
import tempfile
import time
import typing as t

ROOT = "/etc/postgresql"
# What an upgrade leaves beside the configuration of the cluster that it moves, until that is dropped.
RECORD = "mlops-upgrade.json"
# Read after all other files of conf.d.
KEPT = "conf.d/zz-mlops-kept.conf"
MANUAL = "# This cluster was left at a move to another major version, and is not started by itself.\nmanual\n"
START_SECONDS = 60


class ClusterError(Exception):
    """A cluster does not do what it is asked for."""


class Postmaster(t.NamedTuple):
    """What `postmaster.pid` says of a running server."""

    port: int
    socket_dir: str
    address: str


def read(path: str) -> str:
    return pathlib.Path(path).read_text(errors="replace") if os.path.isfile(path) else ""


def postmaster(data: str) -> Postmaster | None:
    """None where no server runs: its file outlives a crash."""
    lines = read(os.path.join(data, "postmaster.pid")).splitlines()
    if len(lines) < 6 or read(f"/proc/{lines[0].strip()}/comm").strip() != "postgres":
        return None
    return Postmaster(int(lines[3]), lines[4], lines[5].strip())


def versions_of(name: str) -> list[str]:
    """The major versions that have a cluster of this name, the oldest first."""
    folders = (os.path.dirname(path).split("/")[-2] for path in glob.glob(f"{ROOT}/*/{glob.escape(name)}/postgresql.conf"))
    return sorted((folder for folder in folders if folder.isdigit()), key=int)


class Found(t.NamedTuple):
    """What the files of a cluster say of its part."""

    starts_at_boot: bool
    # The version that an upgrade which is not over moves it to.
    on_the_way_to: str = ""


def find(name: str) -> dict[str, Found]:
    found = {}
    for version in versions_of(name):
        record = read_record(version, name)
        found[version] = Found(starts_at_boot(version, name), "" if record.get("phase") == "kept" else record.get("to", ""))
    return found


def starts_at_boot(version: str, name: str) -> bool:
    lines = [line.strip() for line in read(f"{ROOT}/{version}/{name}/start.conf").splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "auto") == "auto"


def read_record(version: str, name: str) -> dict[str, t.Any]:
    return json.loads(read(f"{ROOT}/{version}/{name}/{RECORD}") or "{}")


def holder(version: str, found: dict[str, Found], is_own: bool) -> str:
    """The other version whose cluster has the data, though `version` is asked for; empty where there is none.

    is_own: the cluster of that version was made by the role, or by an upgrade from one that was.
    """
    others = {other: state for other, state in found.items() if other != version}
    broken = [other for other, state in others.items() if state.on_the_way_to == version]
    if broken:
        return broken[0]
    if version not in found:
        return next((other for other, state in reversed(others.items()) if state.starts_at_boot), next(reversed(others), ""))
    if found[version].starts_at_boot and is_own:
        return ""
    # The distribution makes an empty one beside the older version; one that was left has a newer beside it.
    rivals = [other for other, state in others.items() if state.starts_at_boot and (int(other) < int(version) or not found[version].starts_at_boot)]
    return rivals[-1] if rivals else ""


class Cluster:
    """One cluster, by its own tools. What fails raises ClusterError."""

    def __init__(self, run_command: t.Callable[..., tuple[int, str, str]], version: str, name: str) -> None:
        self.run_command = run_command
        self.version = version
        self.name = name
        self.folder = f"{ROOT}/{version}/{name}"
        self.unit = f"postgresql@{version}-{name}.service"
        self.drop_ins = f"/etc/systemd/system/{self.unit}.d"
        self.log = f"/var/log/postgresql/postgresql-{version}-{name}.log"

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"

    def run(self, *argv: str, data: str | None = None, fails: bool = True, environment: dict[str, str] | None = None) -> str:
        status, out, err = self.run_command(list(argv), data=data, cwd="/", environ_update={"LC_ALL": "C.UTF-8", **(environment or {})})
        if status and fails:
            raise ClusterError(f"{os.path.basename(argv[0])} for {self}: {err.strip() or out.strip() or f'exit status {status}'}")
        return out

    def program(self, name: str) -> list[str]:
        """One of this version, as the user of the data."""
        return ["runuser", "-u", "postgres", "--", f"/usr/lib/postgresql/{self.version}/bin/{name}"]

    @property
    def exists(self) -> bool:
        return os.path.isfile(f"{self.folder}/postgresql.conf")

    @property
    def data(self) -> str:
        return self.run("pg_conftool", "-s", self.version, self.name, "show", "data_directory").strip()

    @property
    def server(self) -> Postmaster | None:
        return postmaster(self.data) if self.exists else None

    @property
    def running(self) -> Postmaster:
        server = self.server
        if server is None:
            raise ClusterError(f"{self} does not run; its log is {self.log}")
        return server

    def ask(self, query: str, database: str = "postgres", server: Postmaster | None = None) -> list[str]:
        """The rows of all results, one value each."""
        server = server or self.running
        place = [f"--host={server.socket_dir}", f"--port={server.port}", f"--dbname={database}"]
        answer = ["--tuples-only", "--no-align", "--record-separator-zero", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
        options = {"PGCONNECT_TIMEOUT": "10", "PGCLIENTENCODING": "UTF8", "PGOPTIONS": "-c search_path= -c statement_timeout=0"}
        out = self.run(*self.program("psql"), "--no-psqlrc", "--no-password", "--quiet", *answer, *place, data=query, environment=options)
        return [row for row in out.replace("\0\n", "\0").split("\0") if row.strip()]

    def start(self) -> None:
        """Start the service, and wait for an answer: its unit does not tell of a failure."""
        end = time.monotonic() + START_SECONDS
        self.run("systemctl", "start", self.unit)
        while True:
            try:
                self.ask("SELECT 1")
                return
            except ClusterError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        """Whoever started it."""
        self.run("systemctl", "stop", self.unit)
        if self.server is not None:
            self.run(*self.program("pg_ctl"), "stop", "--silent", "--wait", "--mode=fast", f"--pgdata={self.data}")

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[Postmaster]:
        """Its stopped server runs for nobody but this process: a socket in a folder of its own, and nothing that it would hand on."""
        with tempfile.TemporaryDirectory(prefix="mlops-postgres-") as folder:
            rules = pathlib.Path(folder, "pg_hba.conf")
            rules.write_text("local all postgres peer\n")
            for path in (folder, rules):
                shutil.chown(path, "postgres", "postgres")
            settings = {"config_file": f"{self.folder}/postgresql.conf", "hba_file": rules, "unix_socket_directories": folder}
            settings |= {"listen_addresses": "", "unix_socket_group": "", "archive_mode": "off", "autovacuum": "off", "logging_collector": "off"}
            options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
            data, log = self.data, f"{folder}/log"
            control = [*self.program("pg_ctl"), "--silent", "--wait", f"--pgdata={data}"]
            try:
                self.run(*control, "start", f"--log={log}", f"--options={options}")
            except ClusterError as exc:
                raise ClusterError(f"{exc} {read(log)[-500:]}") from None
            try:
                server = postmaster(data)
                if server is None:
                    raise ClusterError(f"{self} ended at once: {read(log)[-500:]}")
                yield server
            finally:
                self.run(*control, "stop", "--mode=fast")

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        """A file of the cluster, whole or not at all. The folder is the server's, which could have laid a link there."""
        handle, new = tempfile.mkstemp(dir=self.folder)
        with open(handle, "w") as file:
            shutil.chown(handle, "postgres", "postgres")
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(new, f"{self.folder}/{name}")

    def remember(self, record: dict[str, t.Any]) -> None:
        self.write(RECORD, json.dumps(record), mode=0o600)

    def retire(self, port: int) -> None:
        """It stays as it is, but is not started by itself, and not where clients look for it."""
        self.stop()
        self.write("start.conf", MANUAL)
        look = f"# Left at a move to another major version. To look into it: pg_ctlcluster {self.version} {self.name} start\n"
        self.write(KEPT, f"{look}port = {port}\nlisten_addresses = ''\n")
        self.run("systemctl", "disable", "--quiet", self.unit)
        self.run("systemctl", "daemon-reload")

    def revive(self, start_conf: str) -> None:
        """It serves as it did before it was left."""
        self.write("start.conf", start_conf)
        pathlib.Path(f"{self.folder}/{KEPT}").unlink(missing_ok=True)
        self.run("systemctl", "daemon-reload")
        self.start()

    def drop(self) -> None:
        """With its data, and what the end of another process left of it."""
        if self.exists:
            self.run("pg_dropcluster", "--stop", self.version, self.name)
        for folder in (self.folder, f"/var/lib/postgresql/{self.version}/{self.name}", self.drop_ins):
            shutil.rmtree(folder, ignore_errors=True)
        self.run("systemctl", "daemon-reload")
