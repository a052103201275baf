"""Looks at the server until it is stopped, with probe.py of the benchmarks. Writes each look: time, PSS, bytes spooled by nginx and by MLflow."""

import json
import pathlib
import signal
import sys
import threading
import time

import probe


def folders(pids):
    """Where the processes of MLflow put what they spool."""
    environ = b"\0".join(pathlib.Path(f"/proc/{pid}/environ").read_bytes() for pid in pids)
    return {item.removeprefix(b"TMPDIR=").decode() for item in environ.split(b"\0") if item.startswith(b"TMPDIR=")}


def size(path):
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def main():
    stopped, looks = threading.Event(), []
    signal.signal(signal.SIGTERM, lambda *unused: stopped.set())
    places = folders(probe.service_processes())
    if not places:
        raise SystemExit("MLflow's processes have no TMPDIR")
    while not stopped.wait(0.5):
        begin = time.time()
        memory = probe.memory(probe.service_processes())["pss_mb"]
        spooled = sum(size(path) for place in places for path in pathlib.Path(place).rglob("*"))
        looks.append([begin, memory, probe.spooled(), spooled])
    pathlib.Path(sys.argv[1]).write_text(json.dumps(looks))


if __name__ == "__main__":
    main()
