# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The program of the role backup: saves an MLflow server's databases, artifacts and secrets as one generation, checks, restores and prunes generations.

It needs no MLflow: the host's Python with psycopg2, the tools of PostgreSQL, and rclone. At the destination there are, all but the first encrypted:
format.json, generations/<name>/ with dumps and their manifest, artifacts/ as they were at the last backup, and replaced/<name>/ with what that backup
found changed or gone.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import gzip
import json
import os
import posixpath
import random
import re
import shutil
import sys
import tarfile
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._backup.generations import NAME, kept, layers, moment
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.places import SYSTEM_CAS, Rclone, RcloneError, say, secrets_of
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import VERSION_TABLES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_backup import SUFFIXES, BackupError, check_backup, make_backup, postgresql_tool
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import counts, digests, read_tables
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_restore import EMPTY_POSTGRESQL, RestoreError, check_restore, restore
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError, Uri
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import MANIFEST, RestorePoint, RestorePointError, to_prune

CONFIG = "/etc/mlops-backup/backup.json"
FORMAT = 1
# Advisory locks in the database: upgrades of the schema take the first, gc takes the second.
UPGRADE_LOCK, GC_LOCK = 7110364021, 7110364022
LOCK_SECONDS = 600
# To read larger tables once more would weigh on the server. Their rows are counted.
DIGEST_ROWS = 1_000_000
SAMPLE = 50
# What the file key says to who has the right password.
KEY = "mlops-backup"
ARTIFACTS = "artifacts.json.gz"
SECRETS = "secrets.tar"
# Restore points from before a restore.
KEPT_RESTORE_POINTS = 3
KNOWN_ERRORS = (BackupError, MlflowDbError, OSError, RcloneError, RestoreError, RestorePointError)


def wait_for_lock(attempt: t.Callable[[], t.Any], what: str) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while not attempt():
        if time.monotonic() > deadline:
            raise BackupError(f"{what} has not ended within {LOCK_SECONDS} s")
        time.sleep(1)


@contextlib.contextmanager
def shared_lock(connection: Connection, number: int, what: str) -> t.Iterator[None]:
    """Keep out who takes the lock for itself. Ends with the connection, which the server may not end because it waits."""
    if connection.kind == "postgresql":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"):
            connection.rows(f"SET SESSION {limit} = 0")
        wait_for_lock(lambda: connection.value(f"SELECT pg_try_advisory_lock_shared({number})"), what)
        yield
        connection.value(f"SELECT pg_advisory_unlock_shared({number})")
        return
    # An upgrade of a SQLite file locks its folder.
    folder = os.open(os.path.dirname(connection.database), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def content(connection: Connection) -> dict[str, t.Any]:
    """What can be compared: the revision, and rows and a digest of each table."""
    rows = counts(connection)
    small = [name for name in rows if rows[name] <= DIGEST_ROWS]
    versions = [name for names in VERSION_TABLES.values() for name in names if name in rows]
    revisions = [row[0] for name in dict.fromkeys(versions) for row in connection.rows(f"SELECT version_num FROM {name}")]
    return {"revisions": sorted(revisions), "rows": rows, "digests": digests(connection, small) if connection.kind == "postgresql" else {}}


def differences(before: dict[str, t.Any], after: dict[str, t.Any]) -> list[str]:
    """The tables that differ, and whether the revision does."""
    tables = sorted(name for part in ("rows", "digests") for name in {*before[part], *after[part]} if before[part].get(name) != after[part].get(name))
    return list(dict.fromkeys(tables)) + (["the revision"] if before["revisions"] != after["revisions"] else [])


class Backup:
    """config: databases {component: uri}, artifacts and destination (places), encryption {password, salt} or null, and what the role writes beside it."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.config = config
        self.state = config["state_dir"]
        self.work = os.path.join(self.state, "work")
        # Debian's Python has this driver.
        self.databases = {name: uri.replace("postgresql+psycopg:", "postgresql+psycopg2:") for name, uri in config["databases"].items()}
        self.encryption = config["encryption"] or {}
        self.rclone = Rclone(self.secrets(), config["bandwidth_limit"], self.ca_file())
        self.source = self.rclone.add_place("src", config["artifacts"]) if config["artifacts"] else ""
        self.root = self.rclone.add_place("dst", config["destination"])
        # A folder keeps the time that the S3 server gave an object, which costs no call for each object. S3 has it in an attribute, which does.
        self.times = ["--use-server-modtime"] if config["destination"]["type"] == "folder" else []
        data = posixpath.join(self.root, "data")
        if self.encryption:
            self.rclone.add_encrypted("vault", data, **self.encryption)
        else:
            self.rclone.add("vault", {"type": "alias", "remote": data})

    def secrets(self) -> list[str]:
        """What no message may show."""
        found = [secret for place in (self.config["artifacts"], self.config["destination"]) for secret in secrets_of(place)]
        return [*found, *self.encryption.values(), *(secret for uri in self.config["databases"].values() for secret in Uri(uri).secrets)]

    def ca_file(self) -> str:
        """The authorities of the system and the own ones in one file, as rclone wants them."""
        if not self.config["ca_file"]:
            return ""
        os.makedirs(self.state, exist_ok=True)
        path = os.path.join(self.state, "ca.pem")
        with open(path, "w", encoding="utf-8") as bundle:
            for source in (SYSTEM_CAS, self.config["ca_file"]):
                with open(source, encoding="utf-8") as part:
                    bundle.write(part.read() + "\n")
        return path

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[None]:
        """One at a time, with an empty folder to work in that is gone afterwards."""
        os.makedirs(self.state, mode=0o711, exist_ok=True)
        with open(os.path.join(self.state, "lock"), "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Waiting for another backup, check or restore to end.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self.work, ignore_errors=True)
            os.makedirs(self.work, mode=0o700)
            try:
                yield
            finally:
                shutil.rmtree(self.work)

    # The destination

    def check_destination(self, begin: bool = False) -> None:
        """Raise BackupError where a later version of this program, or another key, has written there. begin: make it a destination if it is none."""
        path = posixpath.join(self.root, "format.json")
        text = self.rclone.read(path)
        if not text and not begin:
            raise BackupError(f"there is no backup at {self.root}")
        if not text:
            text = json.dumps({"format": FORMAT, "encrypted": bool(self.encryption)})
            self.write("vault:key", KEY)
            self.write(path, text)
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise BackupError(f"{path} has the format {found['format']}, and this version of the collection reads {FORMAT}")
        if found["encrypted"] != bool(self.encryption):
            raise BackupError(f"what is at {self.root} is {'' if found['encrypted'] else 'not '}encrypted: use it so, or set another destination")
        if self.rclone.read("vault:key") != KEY:
            raise BackupError(f"what is at {self.root} was encrypted with another password or salt: use these, or set another destination")

    def write(self, path: str, text: str) -> None:
        self.rclone("rcat", path, data=text)

    def generations(self) -> tuple[list[str], list[str]]:
        """The names of those that are whole, oldest first, and of those that were broken off."""
        found = self.rclone.listing("vault:generations", "--no-modtime")
        names = {path.partition("/")[0] for path in found}
        whole = {name for name in names if f"{name}/{MANIFEST}" in found}
        return sorted(whole), sorted(names - whole)

    def newest(self, name: str = "newest") -> str:
        whole, _broken = self.generations()
        if name == "newest" and whole:
            return whole[-1]
        if name not in whole:
            raise BackupError(f"there is no generation {name} at {self.root}, but {', '.join(whole) or 'none at all'}")
        return name

    def fetch(self, name: str, folder: str) -> tuple[RestorePoint, dict[str, t.Any]]:
        """A generation with its manifest, in a folder below the given one. Raises RestorePointError unless every file is what was saved."""
        point = RestorePoint(folder, name)
        # The manifest first: a later format is told as such.
        self.rclone("copyto", f"vault:generations/{name}/{MANIFEST}", os.path.join(point.path, MANIFEST))
        point.manifest()
        self.rclone("copy", f"vault:generations/{name}", point.path)
        return point, point.load()

    # A backup

    def back_up(self) -> dict[str, t.Any]:
        began = time.time()
        name = time.strftime(NAME, time.gmtime(began))
        self.check_destination(begin=True)
        whole, _broken = self.generations()
        if whole and name <= whole[-1]:
            raise BackupError(f"the newest generation is {whole[-1]}, and the clock says {name}: set the clock right")
        point = RestorePoint(self.work, name).create()
        with contextlib.ExitStack() as stack:
            tracking = stack.enter_context(Connection(self.databases["tracking"]))
            if tracking.kind == "postgresql":
                stack.enter_context(shared_lock(tracking, GC_LOCK, "the removal of deleted runs (gc)"))
            databases = [self.dump(point, component) for component in self.databases]
            moved, artifacts = self.copy_artifacts(point) if self.source else (0, None)
            # gc was out all the time only where this session lives still.
            tracking.value("SELECT 1")
        if self.encryption:
            self.add_secrets(point)
        facts = {"labels": self.config["labels"], "databases": databases, "artifacts": artifacts, "seconds": round(time.time() - began, 1)}
        manifest = point.seal(**facts)
        sent = self.upload(point)
        size = sum(file["bytes"] for file in manifest["files"]) + (artifacts or {"bytes": 0})["bytes"]
        removed = self.prune()
        figures = {"bytes": size, "moved_artifact_bytes": moved, "moved_bytes": moved + sent, "seconds": round(time.time() - began, 1)}
        return {"generation": name, **figures, "removed": removed}

    def dump(self, point: RestorePoint, component: str) -> dict[str, t.Any]:
        """Save one database; returns what is in the backup of it, which PostgreSQL tells from the same snapshot."""
        with Connection(self.databases[component], lock_timeout=60) as connection, shared_lock(connection, UPGRADE_LOCK, f"an upgrade of {component}"):
            file = f"{component}{SUFFIXES[connection.kind]}"
            facts = {"component": component, "kind": connection.kind, "server_version": connection.server_version, "file": file}
            if connection.kind == "sqlite":
                make_backup(connection, point.file(file), 60)
                with Connection(f"sqlite:///{point.file(file)}") as copy:
                    return {**facts, "content": content(copy)}
            connection.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = connection.value("SELECT pg_export_snapshot()")
            make_backup(connection, point.file(file), 60, snapshot)
            facts["content"] = content(connection)
            connection.rows("COMMIT")
        return facts

    def copy_artifacts(self, point: RestorePoint) -> tuple[int, dict[str, t.Any]]:
        """Bring the copy up to date, and keep aside what it had before; returns how many bytes were sent, and what there is now."""
        options = [*self.times, "--checkers=16", "--retries-sleep=20s", f"--backup-dir=vault:replaced/{point.name}"]
        _output, stats = self.rclone("sync", *options, self.source, "vault:artifacts")
        found = {path: entry["Size"] for path, entry in self.rclone.listing("vault:artifacts", "--no-modtime").items()}
        with gzip.open(point.file(ARTIFACTS), "wt", encoding="utf-8") as stream:
            json.dump(found, stream)
        return stats.get("bytes", 0), {"files": len(found), "bytes": sum(found.values())}

    def add_secrets(self, point: RestorePoint) -> None:
        """Files of this host, and texts that the role got, as secrets/<name>."""
        folder = os.path.join(self.work, "secrets")
        os.mkdir(folder, mode=0o700)
        for name, text in self.config["secret_texts"].items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        with tarfile.open(point.file(SECRETS), "w") as archive:
            archive.add(folder, "secrets")
            for path in self.config["secret_files"]:
                archive.add(path)

    def upload(self, point: RestorePoint) -> int:
        """The manifest last, and not before the rest has been compared: with it a generation is one. Returns how many bytes were sent."""
        target = f"vault:generations/{point.name}"
        _output, stats = self.rclone("copy", f"--exclude=/{MANIFEST}", point.path, target)
        self.rclone("cryptcheck" if self.encryption else "check", "--one-way", f"--exclude=/{MANIFEST}", point.path, target)
        self.rclone("copyto", os.path.join(point.path, MANIFEST), f"{target}/{MANIFEST}")
        return t.cast(int, stats.get("bytes", 0))

    def prune(self) -> list[str]:
        """Remove the generations whose time is over, broken ones, and the files that no generation needs any more."""
        whole, broken = self.generations()
        stay = kept(whole, **self.config["keep"])
        gone = [name for name in whole if name not in stay]
        for name in gone:
            self.rclone("deletefile", f"vault:generations/{name}/{MANIFEST}")
        for name in [*gone, *(name for name in broken if name < max(whole, default=""))]:
            self.rclone("purge", f"vault:generations/{name}")
        # What a backup replaced, only older generations have.
        for name in self.replaced_folders():
            if name <= min(stay, default=""):
                self.rclone("purge", f"vault:replaced/{name}")
        return gone

    def replaced_folders(self) -> list[str]:
        return sorted({path.partition("/")[0] for path in self.rclone.listing("vault:replaced", "--no-modtime")})

    # A check

    def check(self) -> dict[str, t.Any]:
        """Restore the newest generation into the scratch database, compare it with what was saved, and compare some artifacts with the source."""
        began = time.time()
        self.check_destination()
        point, manifest = self.fetch(self.newest(), self.work)
        for database in manifest["databases"]:
            path = point.file(database["file"])
            if database["kind"] == "sqlite":
                with Connection(f"sqlite:///{path}") as copy:
                    check_restore(copy, path)
                    found = content(copy)
            elif self.config["check_database"]:
                found = self.tried(path)
            else:
                continue
            if different := differences(database["content"], found):
                raise BackupError(f"{point.name}: what comes out of {database['file']} differs from what was saved in {', '.join(different)}")
        sampled = self.check_artifacts(point) if manifest["artifacts"] and self.source else 0
        return {"generation": point.name, "artifacts": sampled, "seconds": round(time.time() - began, 1)}

    def tried(self, path: str) -> dict[str, t.Any]:
        """What a dump becomes in the scratch database, which is empty before and afterwards."""
        with Connection(self.config["check_database"], lock_timeout=60) as scratch:
            if tables := read_tables(scratch):
                raise BackupError(f"the database to try backups in, {Uri(self.config['check_database']).place}, holds {min(tables)}: give it one of its own")
            check_restore(scratch, path)
            try:
                restore(scratch, path, 60)
                return content(scratch)
            finally:
                scratch.rows(EMPTY_POSTGRESQL)

    def check_artifacts(self, point: RestorePoint) -> int:
        """Compare the content of some files with that of the source, as far as they have not changed since; returns how many."""
        saved, source = self.artifacts_of(point), self.rclone.listing(self.source, "--use-server-modtime")
        before = moment(point.name).strftime("%Y-%m-%dT%H:%M:%S")
        same = [name for name, entry in source.items() if saved.get(name) == entry["Size"] and entry["ModTime"] < before and "\n" not in name]
        chosen = random.sample(sorted(same), min(SAMPLE, len(same)))
        if chosen:
            self.rclone("check", "--download", "--one-way", self.names_file(chosen), self.source, "vault:artifacts")
        return len(chosen)

    def artifacts_of(self, point: RestorePoint) -> dict[str, int]:
        """The size of each artifact of a generation, by its name."""
        with gzip.open(point.file(ARTIFACTS), "rt", encoding="utf-8") as stream:
            return t.cast("dict[str, int]", json.load(stream))

    def names_file(self, names: t.Iterable[str]) -> str:
        path = os.path.join(self.work, "names")
        with open(path, "w", encoding="utf-8") as stream:
            stream.writelines(f"{name}\n" for name in names)
        return f"--files-from-raw={path}"

    # A restore

    def restore(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        """request: generation, databases {component: uri} of who may write, artifacts (a place) or null, confirm, versions {label: most}, only_check.

        All that can be known is looked at first. Then the databases are saved, and put back should one of them fail.
        """
        began = time.time()
        self.rclone.hide([*(secret for uri in request["databases"].values() for secret in Uri(uri).secrets), *secrets_of(request["artifacts"])])
        self.check_destination()
        point, manifest = self.fetch(self.newest(request["generation"]), self.work)
        self.check_versions(manifest, request["versions"])
        saved = {database["component"]: database for database in manifest["databases"]}
        if lacking := sorted(set(saved) - set(request["databases"])):
            raise BackupError(f"{point.name} has {', '.join(lacking)}, and no database was named for it")
        with contextlib.ExitStack() as stack:
            targets = {name: stack.enter_context(Connection(request["databases"][name], lock_timeout=60)) for name in saved}
            for name, target in targets.items():
                self.check_target(target, saved[name], point.file(saved[name]["file"]))
            self.check_confirmed(targets.values(), request["confirm"].split(","))
            if not request["only_check"]:
                before = self.save_targets(targets, point.name)
                self.put_into(targets, saved, point, before)
                if request["artifacts"] and manifest["artifacts"]:
                    self.put_artifacts(point, request["artifacts"])
        age, seconds = round(began - moment(point.name).timestamp()), round(time.time() - began, 1)
        return {"generation": point.name, "labels": manifest["labels"], "age_seconds": age, "seconds": seconds}

    @staticmethod
    def check_versions(manifest: dict[str, t.Any], versions: dict[str, str]) -> None:
        def parts(version: str) -> list[int]:
            return [int(part) for part in re.findall("[0-9]+", version)]

        for label, most in versions.items():
            if parts(manifest["labels"].get(label, "")) > parts(most):
                raise BackupError(f"{manifest['name']} is of {label} {manifest['labels'][label]}, and this is {most}: install the newer version first")

    @staticmethod
    def check_target(target: Connection, saved: dict[str, t.Any], path: str) -> None:
        if target.kind != saved["kind"]:
            raise BackupError(f"{saved['component']} was saved from {saved['kind']}, and {target.uri.place} is {target.kind}")
        if target.kind == "postgresql" and int(target.server_version.partition(".")[0]) < int(saved["server_version"].partition(".")[0]):
            raise BackupError(f"{target.uri.place} is of PostgreSQL {target.server_version}, and the backup of {saved['server_version']}: use as new a server")
        check_restore(target, path)

    @staticmethod
    def check_confirmed(targets: t.Iterable[Connection], words: list[str]) -> None:
        """Nothing is overwritten without a word for it."""
        needed = {f"overwrite-{os.path.basename(target.database)}": target.uri.place for target in targets if read_tables(target)}
        if lacking := {word: place for word, place in needed.items() if word not in words}:
            places = ", ".join(lacking.values())
            raise BackupError(f"not empty: {places}. What is there is saved and then replaced only if told so: confirm with {','.join(sorted(needed))}")

    def save_targets(self, targets: dict[str, Connection], generation: str) -> RestorePoint:
        folder = os.path.join(self.state, "before-restore")
        before = RestorePoint(folder, f"{time.strftime(NAME, time.gmtime())}-to-{generation}").create()
        for name, target in targets.items():
            if read_tables(target):
                make_backup(target, before.file(f"{name}{SUFFIXES[target.kind]}"), 60)
        before.seal(reason="restore")
        say(f"What was in the databases is in {before.path}.")
        for old in to_prune(folder, KEPT_RESTORE_POINTS):
            RestorePoint(folder, old).remove()
        return before

    def put_into(self, targets: dict[str, Connection], saved: dict[str, t.Any], point: RestorePoint, before: RestorePoint) -> None:
        """All of them or none. One whose restore fails is as it was by itself."""
        restored: list[str] = []
        try:
            for name, target in targets.items():
                if target.kind == "postgresql":
                    wait_for_lock(functools.partial(target.value, f"SELECT pg_try_advisory_lock({UPGRADE_LOCK})"), f"an upgrade of {name}")
                restore(target, point.file(saved[name]["file"]), 60)
                restored.append(name)
                if different := differences(saved[name]["content"], content(target)):
                    raise BackupError(f"{target.uri.place} differs after the restore in {', '.join(different)}")
        except Exception as exc:
            try:
                for name in restored:
                    self.put_back(targets[name], before.file(f"{name}{SUFFIXES[targets[name].kind]}"))
            except Exception as again:
                raise BackupError(f"{exc}. What was in {', '.join(restored)} could not be put back, and is in {before.path}: {again}") from exc
            raise BackupError(f"{exc}. The databases are as they were") from exc

    @staticmethod
    def put_back(target: Connection, former: str) -> None:
        if os.path.exists(former):
            restore(target, former, 60)
        else:
            target.rows(EMPTY_POSTGRESQL)

    def put_artifacts(self, point: RestorePoint, place: dict[str, t.Any]) -> None:
        """Copy what belongs to the generation; what came since stays beside it."""
        target = self.rclone.add_place("out", place)
        wanted = self.artifacts_of(point)
        replaced: dict[str, set[str]] = {}
        for path in self.rclone.listing("vault:replaced", "--no-modtime"):
            folder, _slash, name = path.partition("/")
            replaced.setdefault(folder, set()).add(name)
        for layer, names in layers(wanted, point.name, replaced).items():
            source = f"vault:replaced/{layer}" if layer else "vault:artifacts"
            # A list of names has one in each line.
            odd = [name for name in names if "\n" in name]
            self.rclone("copy", "--no-traverse", *self.times, self.names_file(set(names) - set(odd)), source, target)
            for name in odd:
                self.rclone("copyto", posixpath.join(source, name), posixpath.join(target, name))
        found = self.rclone.listing(target, "--no-modtime")
        if wrong := sorted(name for name, size in wanted.items() if name not in found or found[name]["Size"] != size):
            raise BackupError(f"{len(wrong)} artifacts are not what they were, such as {wrong[0]}. The databases are restored; run it again")

    # What else there is

    def probe(self) -> dict[str, t.Any]:
        """Whether a backup would be possible. Writes no more than a file at the destination, which it removes."""
        for component, text in self.databases.items():
            with Connection(text) as connection:
                if connection.kind not in ("postgresql", "sqlite"):
                    raise BackupError(f"{component}: there is no backup of {connection.kind} databases")
                check_backup(connection, self.work)
                content_tables = read_tables(connection)
                if not content_tables:
                    raise BackupError(f"{connection.uri.place} holds no tables that this login sees: name MLflow's database")
                for table in content_tables:
                    connection.rows(f'SELECT 1 FROM "{table}" LIMIT 1')
        if self.config["check_database"]:
            with Connection(self.config["check_database"]) as scratch:
                postgresql_tool("psql", scratch.server_version)
        for path in self.config["secret_files"]:
            os.stat(path)
        if self.source:
            self.rclone("lsf", "--max-depth=1", self.source)
        probe = posixpath.join(self.root, "probe")
        self.write(probe, "probe")
        self.rclone("deletefile", probe)
        if self.rclone.read(posixpath.join(self.root, "format.json")):
            self.check_destination()
        return {}

    def list(self) -> dict[str, t.Any]:
        self.check_destination()
        whole, broken = self.generations()
        return {"generations": whole, "broken_off": broken}


def write_metrics(config: dict[str, t.Any], action: str, began: float, result: dict[str, t.Any] | None) -> None:
    """What Prometheus' node exporter reads. The figures of the last success stay when a later run fails."""
    path = os.path.join(config["metrics_dir"], "mlops_backup.prom")
    values: dict[str, float] = {}
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:
        values = {name: float(value) for name, value in (line.split() for line in stream)}
    prefix = f"mlops_{action}"
    values[f"{prefix}_last_exit_code"] = 0 if result else 1
    if result:
        values[f"{prefix}_last_success_timestamp_seconds"] = round(began)
        values[f"{prefix}_last_success_duration_seconds"] = result["seconds"]
        values.update({f"{prefix}_last_success_{name}": result[name] for name in ("bytes", "moved_artifact_bytes", "moved_bytes") if name in result})
    with open(f"{path}.part", "w", encoding="utf-8") as stream:
        stream.writelines(f"{name} {value:.15g}\n" for name, value in sorted(values.items()))
    os.chmod(f"{path}.part", 0o644)
    os.rename(f"{path}.part", path)


def run(backup: Backup, arguments: argparse.Namespace) -> dict[str, t.Any]:
    with backup.alone():
        if arguments.action == "restore":
            return backup.restore(json.load(sys.stdin))
        if arguments.action == "fetch":
            backup.check_destination()
            return {"path": backup.fetch(backup.newest(arguments.generation), arguments.folder)[0].path}
        if arguments.action == "prune":
            backup.check_destination()
            return {"removed": backup.prune()}
        return {"now": backup.back_up, "check": backup.check, "list": backup.list, "probe": backup.probe}[arguments.action]()


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlops-backup", description="Backups of an MLflow server.")
    parser.add_argument("--config", default=CONFIG, help="the configuration, %(default)s if not given")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("now", "make a backup"),
        ("check", "restore the newest generation into the scratch database and compare"),
        ("list", "list the generations"),
        ("prune", "remove the generations whose time is over"),
        ("probe", "see whether a backup would be possible"),
        ("restore", "restore what the request on standard input says, as playbooks/restore.yml does"),
    ):
        actions.add_parser(name, help=text)
    fetch = actions.add_parser("fetch", help="bring a generation into a folder, decrypted")
    fetch.add_argument("generation", help="its name, or newest")
    fetch.add_argument("folder")
    arguments = parser.parse_args()
    os.umask(0o077)
    with open(arguments.config, encoding="utf-8") as stream:
        config = json.load(stream)
    import psycopg2

    metrics = {"now": "backup", "check": "backup_check"}.get(arguments.action)
    began, result = time.time(), None
    scrubbed: t.Callable[[str], str] = str
    try:
        backup = Backup(config)
        scrubbed = backup.rclone.scrubbed
        result = run(backup, arguments)
        sys.stdout.write(f"{json.dumps(result)}\n")
    except (*KNOWN_ERRORS, psycopg2.Error) as exc:
        say(f"mlops-backup {arguments.action}: {scrubbed(' '.join(str(exc).split()))}")
    finally:
        if metrics:
            write_metrics(config, metrics, began, result)
    return 0 if result is not None else 1
