# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Places that files are copied from and to - a folder, a bucket, or a remote that rclone knows - and rclone, which does it."""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import re
import sys
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _bucket_name

Place = t.Mapping[str, t.Any]

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
# What each kind needs, and what else it may have.
KEYS = {
    "folder": ({"path"}, set()),
    "s3": ({"bucket", "access_key_id", "secret_access_key"}, {"endpoint_url", "region", "path"}),
    "rclone": ({"options"}, {"path"}),
}
# What systemd takes without quotes.
FOLDER = re.compile(r"(/[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*)+/?")
# What may take long enough for somebody to ask how far it is.
LONG = ("check", "copy", "sync")
# How rclone says that a file or a folder is not there.
NOT_THERE = (3, 4)


class RcloneError(Exception):
    """rclone has failed."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def say(text: str) -> None:
    """For the journal, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def options_of(place: Place) -> dict[str, str]:
    """What rclone calls a place."""
    if place["type"] == "folder":
        return {"type": "local"}
    if place["type"] == "rclone":
        return {name: str(value) for name, value in place["options"].items()}
    options = {"type": "s3", "provider": "Other" if place.get("endpoint_url") else "AWS", "no_check_bucket": "true"}
    names = {"endpoint_url": "endpoint", "region": "region", "access_key_id": "access_key_id", "secret_access_key": "secret_access_key"}
    return {**options, **{names[key]: str(place[key]) for key in names if place.get(key)}}


def secrets_of(place: Place) -> list[str]:
    """The values that no message may show."""
    return [str(value) for key, value in {**place, **place.get("options", {})}.items() if re.search("secret|pass|token|key_pem|credentials|^key$", key)]


def path_of(place: Place) -> str:
    """Where in the remote of its kind a place is."""
    if place["type"] == "s3":
        return posixpath.join(place["bucket"], str(place.get("path") or "").strip("/")).rstrip("/")
    return str(place.get("path") or "")


def place_of(uri: str, store: Place) -> dict[str, t.Any]:
    """The place that MLflow has a URI for. store: endpoint_url, region, access_key_id and secret_access_key of S3. Raises ValueError for other stores."""
    if uri.startswith(("/", "file:")):
        return {"type": "folder", "path": uri.removeprefix("file://")}
    scheme, _separator, rest = uri.partition("://")
    if scheme != "s3":
        raise ValueError(f"{uri} is neither in S3 nor a folder: give a place of the type rclone for it")
    bucket, _slash, path = rest.partition("/")
    return {"type": "s3", "bucket": bucket, "path": path, **{key: value for key, value in store.items() if value}}


def problem_of(place: Place) -> str | None:
    """What is wrong with the words for a place."""
    kind = place.get("type")
    if kind not in KEYS:
        return f"needs a type, one of {', '.join(KEYS)}"
    needed, optional = KEYS[kind]
    given = {key for key, value in place.items() if value not in ("", None)}
    if needed - given:
        return f"of the type {kind} needs {', '.join(sorted(needed - given))}"
    if given - needed - optional - {"type"}:
        return f"of the type {kind} has no {', '.join(sorted(given - needed - optional - {'type'}))}, but {', '.join(sorted(needed | optional))}"
    if kind == "folder" and not FOLDER.fullmatch(place["path"]):
        return f"needs the absolute path of a folder, of letters, digits and . _ - only, not {place['path']}"
    if kind == "s3":
        return _bucket_name.forbidden(place["bucket"])
    if kind == "rclone" and "type" not in place["options"]:
        return "needs the type of the remote in its options, such as sftp"
    return None


def overlap(one: Place, other: Place) -> bool:
    """Whether one place is the other, or in it."""
    where = [options_of(place).get("endpoint", "").rstrip("/") if place["type"] == "s3" else place.get("options") for place in (one, other)]
    if one["type"] != other["type"] or where[0] != where[1]:
        return False
    paths = [posixpath.normpath(path_of(place)) + "/" for place in (one, other)]
    return paths[0].startswith(paths[1]) or paths[1].startswith(paths[0])


class Rclone:
    """Calls of rclone. Remotes are told to it by its environment, which only root may read: no secret is an argument or in a file."""

    def __init__(self, secrets: t.Iterable[str], bandwidth: str = "", ca_file: str = "") -> None:
        """secrets: what no message may show."""
        self.secrets: list[str] = []
        self.hide(secrets)
        self.environment = {"RCLONE_CONFIG": "/dev/null", "RCLONE_USE_JSON_LOG": "true", "RCLONE_STATS": "60s", "RCLONE_STATS_LOG_LEVEL": "NOTICE"}
        self.environment.update({"RCLONE_BWLIMIT": bandwidth} if bandwidth else {})
        self.environment.update({"RCLONE_CA_CERT": ca_file} if ca_file else {})

    def hide(self, secrets: t.Iterable[str]) -> None:
        self.secrets = sorted({*self.secrets, *filter(None, secrets)}, key=len, reverse=True)

    def add(self, name: str, options: t.Mapping[str, str]) -> None:
        self.environment.update({f"RCLONE_CONFIG_{name}_{key}".upper(): value for key, value in options.items()})

    def add_place(self, name: str, place: Place) -> str:
        """Returns the root of the place."""
        self.add(name, options_of(place))
        return f"{name}:{path_of(place)}"

    def add_encrypted(self, name: str, root: str, password: str, salt: str) -> None:
        """All that is below a root, under names and with contents that only the password opens."""
        obscured = {"password": self.obscured(password), **({"password2": self.obscured(salt)} if salt else {})}
        self.add(name, {"type": "crypt", "remote": root, **obscured})

    def obscured(self, secret: str) -> str:
        return self("obscure", "-", data=secret)[0].strip()

    def __call__(self, *arguments: str, data: str = "") -> tuple[str, dict[str, t.Any]]:
        """Returns what it says, and what it counted. data: what it reads."""
        return asyncio.run(self._call(arguments, data.encode()))

    async def _call(self, arguments: tuple[str, ...], data: bytes) -> tuple[str, dict[str, t.Any]]:
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, **self.environment}
        process = await asyncio.create_subprocess_exec("rclone", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, limit=2**24)
        stdin, stdout, stderr = (t.cast(t.Any, stream) for stream in (process.stdin, process.stdout, process.stderr))
        problems: list[str] = []
        stats: dict[str, t.Any] = {}

        async def listen() -> None:
            """Progress is for the journal, what went wrong for the message."""
            async for raw in stderr:
                line = entry_of(raw)
                if "stats" in line:
                    stats.update(line["stats"])
                    if arguments[0] in LONG:
                        say(f"{arguments[0]}: {stats['bytes']} of {stats['totalBytes']} bytes in {stats['transfers']} files")
                elif line.get("level") not in ("notice", "info", "debug"):
                    problems.append(": ".join(str(line[key]) for key in ("object", "msg") if line.get(key)))

        listener = asyncio.ensure_future(listen())
        stdin.write(data)
        stdin.close()
        output = await stdout.read()
        await listener
        if status := await process.wait():
            what = "; ".join(list(dict.fromkeys(problems))[:5]) or "no reason given"
            raise RcloneError(self.scrubbed(f"rclone {arguments[0]} ended with exit status {status}: {what[:1000]}"), status)
        return output.decode(), stats

    def scrubbed(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return text

    def read(self, path: str) -> str:
        """The text of a file, empty where there is none."""
        try:
            return self("cat", path)[0]
        except RcloneError as exc:
            if exc.status in NOT_THERE:
                return ""
            raise

    def listing(self, root: str, *options: str) -> dict[str, t.Any]:
        """All files below a root, by their path."""
        try:
            found = json.loads(self("lsjson", "--recursive", "--files-only", "--no-mimetype", *options, root)[0])
        except RcloneError as exc:
            if exc.status in NOT_THERE:
                return {}
            raise
        return {entry["Path"]: entry for entry in found}


def entry_of(raw: bytes) -> dict[str, t.Any]:
    """A line of rclone's log; what comes before its log is set up is plain text."""
    try:
        return json.loads(raw)
    except ValueError:
        return {"level": "error", "msg": raw.decode(errors="replace").strip()}
