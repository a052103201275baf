"""Measures what this collection deploys (ours) against what the compose guide builds (recipe). Needs Docker; see benchmarks/README.md.

Results are in .build/bench/<date>/: results.json, results.md and plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import artifacts
import deploy
import load
import report
import stack
from stack import BUILD, BenchError, Client, Ours, Recipe, Stack, say


def machine() -> dict[str, str | int | float]:
    """What it was measured on. Memory in GB."""
    cpu = re.search(r"^model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "docker": stack.docker("version", "--format", "{{.Server.Version}}"),
        "ansible": stack.run(stack.VENV / "ansible", "--version").splitlines()[0],
        "mlflow": stack.MLFLOW_VERSION,
        "commit": stack.run("git", "-C", stack.ROOT, "describe", "--always", "--dirty").strip(),
        "load": round(os.getloadavg()[0], 2),
    }


class Results:
    """What has been measured so far; written after each part."""

    def __init__(self) -> None:
        self.folder = BUILD / time.strftime("%Y-%m-%d-%H%M%S")
        self.folder.mkdir(parents=True)
        self.data: dict = {"started": time.strftime("%Y-%m-%d %H:%M:%S %z"), "machine": machine()}

    def add(self, **parts: object) -> None:
        self.data.update(parts)
        report.write(self.folder, self.data)


def sessions(part: str, results: Results, client: Client, stacks: list[Stack], rounds: int, quick: bool) -> None:
    """The stacks take turns, and only one runs MLflow at a time. Adds the rows of `artifacts`, `serve` and `resources`."""
    rows: dict[str, list[dict]] = {"artifacts": [], "serve": [], "resources": []}

    def add(name: str, found: list[dict]) -> None:
        rows[name] += [{"round": number, "stack": each.kind, **row} for row in found]

    for each in stacks:
        each.seed()
        each.stop()
    for number in range(1, rounds + 1):
        for each in stacks:
            say(f"round {number} of {rounds}: {each.kind} starts")
            each.start(client)
            if part in ("all", "serve"):
                add("resources", [{"when": "idle", **each.look()}])
            if part in ("all", "artifacts"):
                add("artifacts", artifacts.measure(client, each, quick))
            if part in ("all", "serve"):
                found = load.measure(client, each, quick)
                add("serve", found)
                add("resources", [{"when": "loaded", **each.look(), "connections": max(row["connections"] for row in found)}])
            each.stop()
            results.add(**rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["all", "serve", "artifacts", "deploy", "report", "clean"])
    parser.add_argument("folder", nargs="?", type=Path, help="with `report`: the folder of the results")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument("--rounds", type=int, help="rounds of alternating measurements (3; with --quick 1)")
    parser.add_argument("--mode", choices=["proxied", "accelerated"], default="proxied", help="site_artifact_mode of ours")
    args = parser.parse_args()
    if args.part == "clean":
        stack.clean()
        return
    if args.part == "report":
        if not args.folder or not (args.folder / "results.json").exists():
            parser.error("report needs a folder with results.json")
        report.write(args.folder, json.loads((args.folder / "results.json").read_text()))
        report.plot(args.folder)
        return
    rounds = args.rounds or (1 if args.quick else 3)
    results = Results()
    client, ours, recipe = Client(), Ours("ours"), Recipe("recipe")
    client.ensure()
    if args.part == "deploy" or (args.part == "all" and not args.quick):
        results.add(**deploy.measure(ours, recipe, rounds))
    else:
        # What stands already is taken as it is; the others are made at once, so their times say nothing.
        with ThreadPoolExecutor() as pool:
            list(pool.map(Stack.ensure, (ours, recipe)))
    ours.use_mode(args.mode)
    if args.part != "deploy":
        sessions(args.part, results, client, [ours, recipe], rounds, args.quick)
    report.plot(results.folder)
    say(f"results are in {results.folder.relative_to(stack.ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except BenchError as exc:
        sys.exit(f"error: {exc}")
