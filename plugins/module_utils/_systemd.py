# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What systemd knows of units, and whether they run what their files say."""

from __future__ import annotations

import os
import time
import typing as t

# systemd's words for a unit that something wants when the machine starts. Generators make links in /run at each boot, as for the clusters of PostgreSQL.
# A static unit may be wanted by another one, or by none.
STARTS_AT_BOOT = ("enabled", "enabled-runtime", "alias", "generated")
PROPERTIES = "LoadState,ActiveState,UnitFileState,MainPID,UID,ExecMainStartTimestampMonotonic"


class SystemdError(Exception):
    """systemd does not do what it is asked for."""


def was_written_since(path: str, start: float) -> bool:
    try:
        written = os.lstat(path).st_mtime
    except FileNotFoundError:
        return False
    # What seems to come from the future says nothing: the clock was set back.
    return start < written <= time.time()


def properties(run_command: t.Callable[..., t.Any], names: list[str], wanted: str) -> list[dict[str, str]]:
    """What systemd tells of each of the units."""
    status, out, err = run_command(["systemctl", "show", f"--property={wanted}", "--", *names])
    if status:
        raise SystemdError(f"systemd does not tell of {', '.join(names)}: {err.strip()}")
    blocks = out.strip().split("\n\n")
    if len(blocks) != len(names):
        raise SystemdError(f"services must be names of units, without patterns; systemd knows {len(blocks)} of {', '.join(names)}")
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]


def unit_states(run_command: t.Callable[..., t.Any], names: list[str], files: dict[str, list[str]]) -> dict[str, dict[str, t.Any]]:
    """What there is to know of each unit, given the files that they read when they start."""
    if not names:
        return {}
    boot = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    found = {}
    for name, values in zip(names, properties(run_command, names, PROPERTIES)):
        uid = values.get("UID", "")
        active = values["ActiveState"] in ("active", "reloading")
        start = boot + int(values.get("ExecMainStartTimestampMonotonic", 0)) / 1e6
        found[name] = {
            "loaded": values["LoadState"] == "loaded",
            "active": active,
            "enabled": values["UnitFileState"] in STARTS_AT_BOOT,
            "main_pid": int(values.get("MainPID", 0)),
            "uid": int(uid) if uid.isdigit() else None,
            "outdated": active and any(was_written_since(path, start) for path in files.get(name, [])),
        }
    return found
