"""Looks at a stack from inside its container, as root, without asking the database or the server. Prints JSON.

Usage: probe.py                 one look
       probe.py memory          only at the memory of MLflow, which takes no more rights than root has in any container
       probe.py watch SECONDS   the highest of each figure, from looks at that distance until its input ends
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("mlflow", "nginx", "postgres", "minio")
BACKEND = re.compile(r"^postgres: .*\bmlflow mlflow \S+ (?P<state>.*)")


def service_processes() -> list[str]:
    """Ids of the processes of all units mlflow*.service."""
    shown = subprocess.run(
        ["systemctl", "show", "--value", "--property", "ControlGroup", "mlflow*.service"], check=True, capture_output=True, text=True
    ).stdout.split()
    pids = set()
    for group in shown:
        for hierarchy in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd"):
            for file in Path(hierarchy + group).rglob("cgroup.procs"):
                pids.update(file.read_text().split())
    return sorted(pids)


def pss(pid: str) -> int:
    """Proportional share of memory in KiB; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE).group(1))


def spooled() -> int:
    """Bytes in the temporary files of nginx, which have no name any more."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text() != "nginx\n":
                continue
            for fd in (folder / "fd").iterdir():
                if os.readlink(fd).startswith("/var/lib/nginx/"):
                    total += fd.stat().st_size
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def backends() -> list[str]:
    """What the database processes of MLflow are at, by their titles."""
    states = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found = BACKEND.match(file.read_text(errors="replace").replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if found:
            states.append(found["state"].strip())
    return states


def memory(pids: list[str]) -> dict[str, float]:
    return {"processes": len(pids), "pss_mb": round(sum(map(pss, pids)) * 1024 / 1e6, 1)}


def processor_seconds(service: list[str]) -> dict[str, float]:
    """Processor time by program since the machine started, that of children which have ended included."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = dict.fromkeys(PROGRAMS, 0.0)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _bracket, fields = (folder / "stat").read_text().partition("(")[2].rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = "mlflow" if folder.name in service else name
        if name in total:
            total[name] += sum(map(int, fields.split()[11:15])) / ticks
    return {f"{name}_cpu_s": round(seconds, 2) for name, seconds in total.items()}


def look() -> dict[str, float]:
    pids, states = service_processes(), backends()
    return {
        **memory(pids),
        **processor_seconds(pids),
        "connections": len(states),
        "busy_connections": len([state for state in states if state != "idle"]),
        "spooled_mb": round(spooled() / 1e6, 1),
    }


def main() -> None:
    if sys.argv[1:2] != ["watch"]:
        print(json.dumps(memory(service_processes()) if sys.argv[1:] == ["memory"] else look()))
        return
    highest = look()
    while not select.select([sys.stdin], [], [], float(sys.argv[2]))[0]:
        highest = {name: max(value, highest[name]) for name, value in look().items()}
    print(json.dumps(highest))


if __name__ == "__main__":
    main()
