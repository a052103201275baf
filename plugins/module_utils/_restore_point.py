# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Restore points: what an MLflow server was at one moment, each in a folder of its own. A folder is one as soon as its manifest is there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import typing as t

FORMAT = 1
MANIFEST = "manifest.json"
# Also the names of files in it: nothing that leads out of the folder.
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


class RestorePointError(Exception):
    """There is no such restore point, or it is damaged."""


def new_name(old_version: str, new_version: str, now: float | None = None) -> str:
    """Names sort by time. now: seconds since the epoch, the present if not given."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{old_version}-to-{new_version}"


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def sync(path: str) -> None:
    """What is written so far outlives a power failure. For a folder: which names are in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: str, content: t.Any) -> None:
    """For root alone. Also after a power failure it is there as a whole, or as it was before."""
    handle = os.open(f"{path}.part", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with open(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(handle)
    os.rename(f"{path}.part", path)
    sync(os.path.dirname(path))


class RestorePoint:
    def __init__(self, folder: str, name: str) -> None:
        if not NAME.fullmatch(name):
            raise RestorePointError(f"{name!r} is no name of a restore point")
        self.folder = folder
        self.name = name
        self.path = os.path.join(folder, name)

    def create(self) -> RestorePoint:
        """A new folder that root alone can read, without a manifest yet."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        os.mkdir(self.path, mode=0o700)
        return self

    def file(self, name: str) -> str:
        """The path of a file in it."""
        if name == MANIFEST or not NAME.fullmatch(name):
            raise RestorePointError(f"{name!r} is no name of a file in a restore point")
        return os.path.join(self.path, name)

    def seal(self, **facts: t.Any) -> dict[str, t.Any]:
        """Write the manifest, with size and checksum of each file: from here on this is a restore point. Returns the manifest."""
        files = []
        for name in sorted(os.listdir(self.path)):
            path = self.file(name)
            os.chmod(path, 0o600)
            sync(path)
            files.append({"name": name, "bytes": os.path.getsize(path), "sha256": sha256_of(path)})
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        manifest = {"format": FORMAT, "name": self.name, "created": created, **facts, "files": files}
        sync(self.path)
        write_json(os.path.join(self.path, MANIFEST), manifest)
        sync(self.folder)
        return manifest

    def load(self) -> dict[str, t.Any]:
        """The manifest. Raises RestorePointError unless every file is what it was."""
        manifest = self.manifest()
        listed = {file["name"] for file in manifest["files"]}
        there = set(os.listdir(self.path)) - {MANIFEST}
        if listed - there:
            raise RestorePointError(f"{self.path} lacks {', '.join(sorted(listed - there))}")
        for file in manifest["files"]:
            path = self.file(file["name"])
            if os.path.getsize(path) != file["bytes"]:
                raise RestorePointError(f"{path} has {os.path.getsize(path)} bytes in place of {file['bytes']}")
            if sha256_of(path) != file["sha256"]:
                raise RestorePointError(f"{path} is not what was written: its SHA-256 is another one than in {MANIFEST}")
        return manifest

    def manifest(self) -> dict[str, t.Any]:
        """As written, without a look at the files."""
        path = os.path.join(self.path, MANIFEST)
        try:
            with open(path, encoding="utf-8") as stream:
                manifest = json.load(stream)
        except FileNotFoundError:
            what = "was not finished" if os.path.isdir(self.path) else "is not there"
            raise RestorePointError(f"The restore point {self.path} {what}") from None
        except (OSError, ValueError) as exc:
            raise RestorePointError(f"{path} cannot be read: {exc}") from exc
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else None
            raise RestorePointError(f"{path} has the format {found}, and this version of the collection reads {FORMAT}")
        if manifest.get("name") != self.name:
            raise RestorePointError(f"{path} belongs to the restore point {manifest.get('name')}")
        return manifest

    def remove(self) -> None:
        """The manifest first: a folder that is half removed is no restore point."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, MANIFEST))
        shutil.rmtree(self.path)


def restore_points(folder: str) -> list[dict[str, t.Any]]:
    """All in a folder, the newest first: name, manifest, and what is wrong with it, so that it is listed too."""
    found = []
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(names, reverse=True):
        if not NAME.fullmatch(name) or not os.path.isdir(os.path.join(folder, name)):
            continue
        point = RestorePoint(folder, name)
        try:
            found.append({"name": name, "manifest": point.manifest(), "problem": None})
        except RestorePointError as exc:
            found.append({"name": name, "manifest": None, "problem": str(exc)})
    return found


def to_prune(folder: str, keep: int, spare: t.Collection[str] = ()) -> list[str]:
    """The names of those beyond the newest `keep`, without the ones in `spare`. What is damaged or unfinished is somebody's to look at, and stays."""
    if keep < 1:
        raise RestorePointError(f"at least 1 restore point is kept, not {keep}")
    whole = [point["name"] for point in restore_points(folder) if not point["problem"]]
    return [name for name in whole[keep:] if name not in spare]
