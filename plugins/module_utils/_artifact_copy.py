# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Copies artifacts from a place to another one, while they are in use, and remembers what is proven to be there.

A first pass moves nearly all of it, with the server serving. The next one, behind a server that was stopped, finds what has come or changed since by
size and time alone, so that it is short. A file counts as copied when both sides were read and compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._backup.places import SYSTEM_CAS, Place, Rclone, RcloneError, overlap, secrets_of
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import write_json

# Files behind links are files; what S3 says of the time needs no call for each object.
READS = ("--use-server-modtime", "--copy-links")
# Names that a text holds: enough to find the others.
EXAMPLES = 5


class CopyError(Exception):
    """Artifacts could not be copied."""


def described(result: dict[str, t.Any], check_mode: bool) -> str:
    """What a copy did, or would do, in a sentence, and which files have names that MLflow does not take."""
    done = "would be copied" if check_mode else "were copied and compared"
    text = f"{result['copied_files']} of {result['files']} files, with {result['copied_bytes']} of {result['bytes']} bytes, {done}."
    if odd := result["hash_names"]:
        shown = ", ".join(odd[:EXAMPLES])
        text += (
            f" {len(odd)} of the names hold a #, such as {shown}: MLflow lists no folder with such a file but in the mode direct, so rename them there first."
        )
    return text


class Copy:
    """Of what is at a source to a target. The folder keeps what was proven."""

    def __init__(self, source: Place, target: Place, folder: str, ca_texts: t.Iterable[str], bandwidth: str = "") -> None:
        if overlap(source, target):
            raise CopyError("source and target are the same place, or one is in the other")
        self._stack = contextlib.ExitStack()
        self._work = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mlops-artifacts-"))
        self._rclone = Rclone([*secrets_of(source), *secrets_of(target)], bandwidth, self._bundle([text for text in ca_texts if text]))
        self._folder = source["path"] if source["type"] == "folder" else ""
        self.source = self._rclone.add_place("src", source)
        self.target = self._rclone.add_place("dst", target)
        where = json.dumps([[self.source, source.get("endpoint_url")], [self.target, target.get("endpoint_url")]])
        self._ledger = os.path.join(folder, f".artifacts-{hashlib.sha256(where.encode()).hexdigest()[:16]}.json")

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def _bundle(self, texts: list[str]) -> str:
        """The authorities of the system and others in one file, as rclone wants them."""
        if not texts:
            return ""
        with open(SYSTEM_CAS, encoding="utf-8") as stream:
            texts = [stream.read(), *texts]
        return self._write("ca.pem", "\n".join(texts))

    def _write(self, name: str, text: str) -> str:
        path = os.path.join(self._work, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def _names(self, names: t.Iterable[str]) -> str:
        return "--files-from-raw=" + self._write("names", "".join(f"{name}\n" for name in names))

    def _proven(self) -> dict[str, list[t.Any]] | None:
        try:
            with open(self._ledger, encoding="utf-8") as stream:
                return t.cast("dict[str, list[t.Any]]", json.load(stream))
        except FileNotFoundError:
            return None

    def run(self, check_mode: bool) -> dict[str, t.Any]:
        try:
            return self._run(check_mode)
        except (RcloneError, OSError) as exc:
            raise CopyError(self._rclone.scrubbed(str(exc))) from exc

    def _run(self, check_mode: bool) -> dict[str, t.Any]:
        there = self._listing()
        copied = self._sizes(self.target)
        proven = self._proven()
        due = [name for name, (size, _time) in there.items() if copied.get(name) != size or (proven or {}).get(name) != there[name]]
        odd = [name for name in due if "\n" in name or "\r" in name]
        if odd:
            raise CopyError(f"{len(odd)} names have line breaks, which a list of names cannot hold, such as {odd[0]!r}: rename these files")
        result = {"files": len(there), "bytes": sum(size for size, _time in there.values()), "source": self.source, "target": self.target}
        result.update(copied_files=len(due), copied_bytes=sum(there[name][0] for name in due))
        result["hash_names"] = sorted(name for name in there if "#" in name)
        if due and not check_mode:
            if proven is None:
                self._compare_what_is_there([name for name in due if name in copied])
            self._copy(due)
            now, copied = self._listing(), self._sizes(self.target)
            # What has changed meanwhile is for the next pass.
            wrong = [name for name in due if now.get(name) == there[name] and copied.get(name) != there[name][0]]
            if wrong:
                raise CopyError(f"{len(wrong)} files are not at {self.target} after the copy, such as {wrong[0]}")
            done = {name: there[name] for name in due if now.get(name) == there[name]}
            write_json(self._ledger, {**{name: value for name, value in (proven or {}).items() if name in now}, **done})
        return result

    def _listing(self) -> dict[str, list[t.Any]]:
        """Size and time of each file at the source, by its name."""
        return {name: [entry["Size"], entry["ModTime"]] for name, entry in self._rclone.listing(self.source, *READS).items()}

    def _sizes(self, root: str) -> dict[str, int]:
        return {name: entry["Size"] for name, entry in self._rclone.listing(root, "--no-modtime").items()}

    def _compare_what_is_there(self, names: list[str]) -> None:
        """Before the first copy: what somebody else has at the target is not overwritten, unless it is the same."""
        if names:
            try:
                self._check(names)
            except RcloneError as exc:
                text = f"{self.target} has other files of the same names already, such as {names[0]}, so nothing is copied there. Use an empty place"
                raise CopyError(f"{text} ({self._rclone.scrubbed(str(exc))})") from exc
        os.makedirs(os.path.dirname(self._ledger), mode=0o700, exist_ok=True)
        # From here on it is ours.
        write_json(self._ledger, {})

    def _check(self, names: t.Iterable[str]) -> None:
        self._rclone("check", "--download", "--one-way", "--copy-links", "--checkers=16", self._names(names), self.source, self.target)

    def _copy(self, names: list[str]) -> None:
        self._rclone("copy", "--no-traverse", "--copy-links", "--checkers=16", "--retries-sleep=20s", self._names(names), self.source, self.target)
        self._check(names)

    def purge(self, check_mode: bool) -> int:
        """Delete at the source what is proven to be at the target, and has not changed since; returns how many files."""
        proven = self._proven() or {}
        try:
            there, copied = self._listing(), self._sizes(self.target)
            names = [name for name, value in there.items() if proven.get(name) == value and copied.get(name) == value[0]]
            if names and not check_mode:
                self._delete(names)
        except (RcloneError, OSError) as exc:
            raise CopyError(self._rclone.scrubbed(str(exc))) from exc
        return len(names)

    def _delete(self, names: list[str]) -> None:
        if self._folder:
            # A link may come after the file that it leads to, and rclone would not find it then.
            for name in names:
                os.unlink(os.path.join(self._folder, name))
        else:
            self._rclone("delete", self._names(names), self.source)
