"""Runs the test steps, scenarios as many at a time as there are processors for, and sums up as `N passed, N failed`.

Usage: scripts/test.py [step ...]     Steps: lint, sanity, units, contract, collection, or the name of a Molecule scenario. Without arguments all but drills.
Each step writes .build/logs/<step>.log, and what its parts took to .build/times/<step>.json: the longest steps of the last run start first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".build" / "logs"
TIMES = ROOT / ".build" / "times"
# The longest first, as far as their names tell.
SCENARIOS = sorted((path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")), key=lambda name: ("site" not in name, name.endswith("modules"), name))
# They take too long for every run: `make drills`.
LONG = {name for name in SCENARIOS if name.startswith("drills")}
# A step fills a processor and waits for little. More than two for two processors make servers start too slowly for some tests.
LANES = min(max(2, (os.cpu_count() or 2) - 1), 6)
# What starts no servers runs beside these, one at a time, on what they leave of the processors while they wait.
BESIDE = ["nice", "-n", "19"]
# What Galaxy gets at the top.
TARBALL = {
    *("CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
    *("changelogs", "docs", "inventory.example", "meta", "playbooks", "plugins", "roles"),
}
TAIL_LINES = 60
SLOWEST = 10
# A line that tells why a step failed: of Ansible, pytest, Molecule, ansible-lint or ansible-test.
CAUSE = re.compile(r"^(fatal: |\[ERROR\]: |ERROR|FAILED |E  +\S|FATAL|CRITICAL|\S+:\d+: error)")
CAUSES = 8
# What the output says of parts: Molecule's sequence, the tasks of Ansible, the tests of ansible-test and pytest.
PHASE = re.compile(r"INFO +\[\S+ > (?P<phase>\w+)\] Execut(?:ing|ed: .*)$")
TASK = re.compile(r"(?:TASK|PLAY|RUNNING HANDLER) \[(?P<task>.*)\] \*+$|PLAY RECAP|Running sanity test '(?P<sanity>.*)'")
DURATION = re.compile(r"(?P<seconds>[0-9.]+)s (?:call|setup|teardown) +(?P<test>\S+)$")

ENV = {
    **os.environ,
    "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
    "ANSIBLE_HOME": str(ROOT / ".ansible"),
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "MLOPS_CACHE_DIR": os.environ.get("MLOPS_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlops-mlflow")),
    "MOLECULE_GLOB": "molecule/*/molecule.yml",
    "NO_COLOR": "1",
    "PYTEST_ADDOPTS": f"--durations={SLOWEST} --durations-min=2",
}


class StepError(Exception):
    """A command of a step failed."""


class Times:
    """What the parts of a step took, read off its output as it comes."""

    def __init__(self) -> None:
        self.phase = self.task = ""
        self.since = time.monotonic()
        self.parts: dict[tuple[str, str], float] = {}

    def read(self, line: str) -> None:
        if found := DURATION.search(line):
            self.parts["test", found["test"]] = float(found["seconds"])
        elif found := PHASE.search(line):
            self.turn(found["phase"], "")
        elif found := TASK.search(line):
            self.turn(self.phase, found["task"] or found["sanity"] or "")

    def turn(self, phase: str, task: str) -> None:
        """Book the time since the last turn on what ran until now."""
        now = time.monotonic()
        self.parts[self.phase, self.task] = self.parts.get((self.phase, self.task), 0) + now - self.since
        self.phase, self.task, self.since = phase, task, now

    def phases(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for (phase, _task), seconds in self.parts.items():
            if phase != "test":
                found[phase] = round(found.get(phase, 0) + seconds, 1)
        return found

    def slowest(self) -> list[tuple[float, str]]:
        named = [(round(seconds, 1), f"{phase}: {task}".removeprefix(": ")) for (phase, task), seconds in self.parts.items() if task]
        return sorted(named, reverse=True)[:SLOWEST]


class Step:
    """One line of the summary: a name, what to do, and a log."""

    def __init__(self, name: str, action: Callable[[Step], None]) -> None:
        self.name = name
        self.action = action
        self.beside = action is not scenario
        self.log = LOGS / f"{name}.log"
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.times = Times()
        self.ok = False

    def call(self, *argv: str | Path, cwd: Path = ROOT, **env: str) -> None:
        """Run a command with its output in the log."""
        with self.log.open("a") as log:
            print("+", *argv, file=log, flush=True)
            pipe: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
            command = [*(BESIDE if self.beside else []), *map(str, argv)]
            process = subprocess.Popen(command, cwd=cwd, env={**ENV, **env}, **pipe)
            for line in process.stdout:
                self.times.read(line.rstrip())
                print(line, end="", file=log, flush=True)
            _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.times.turn("", "")
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        if process.returncode:
            raise StepError(f"{argv[0]} exited with {process.returncode}")

    def causes(self) -> list[str]:
        """The last lines of the log that name a cause, or its last lines."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if CAUSE.match(line)][-CAUSES:] or lines[-CAUSES:]

    def run(self) -> None:
        start = time.monotonic()
        self.log.write_text("")
        self.times = Times()
        try:
            self.action(self)
            self.ok = True
        except StepError as exc:
            with self.log.open("a") as log:
                print(exc, file=log)
        self.seconds = time.monotonic() - start
        report = {"seconds": round(self.seconds), "cpu_seconds_outside_containers": round(self.cpu_seconds)}
        report |= {"phases": self.times.phases(), "slowest": self.times.slowest()}
        (TIMES / f"{self.name}.json").write_text(json.dumps(report, indent=1) + "\n")


def last_seconds(name: str) -> float:
    """What a step took when it ran last; one that never has comes first."""
    path = TIMES / f"{name}.json"
    return json.loads(path.read_text())["seconds"] if path.exists() else float("inf")


def export_collection(target: Path) -> Path:
    """Copy what git knows to <target>/ansible_collections/mlops/mlflow: ansible-test wants such a path."""
    root = target / "ansible_collections" / "mlops" / "mlflow"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".", ":!collections"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


def check_pins() -> None:
    """What others publish is named by its hash: a tag may come to mean something else."""
    uses = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / ".github/workflows").glob("*.yml")
        for name in re.findall(r"uses: *(\S+)", path.read_text())
        if not re.search(r"@[0-9a-f]{40}$", name)
    ]
    tools = [line for script in (ROOT / "scripts").glob("*.sh") for line in script.read_text().splitlines() if "uv" in line and "tool run" in line]
    if uses or tools:
        raise StepError(f"not pinned by a hash: {'; '.join(uses + tools)}")


def lint(step: Step) -> None:
    check_pins()
    step.call("yamllint", "--strict", ".")
    step.call("ruff", "check", ".")
    step.call("ruff", "format", "--check", ".")
    step.call("mypy")
    step.call("antsibull-changelog", "lint")
    step.call(ROOT / ".venv/bin/python", ROOT / "scripts/role_docs.py", "--check")
    step.call("ansible-lint", "--offline", "--strict")


def sanity(step: Step) -> None:
    # ansible-test (2.19, 2.21) downloads get-pip for its environments; every supported Python has ensurepip, which does the same without a download.
    for version in ("24_2", "25_2"):
        stand_in = Path.home() / f".ansible/test/cache/get_pip_{version}.py"
        if not stand_in.exists():
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            stand_in.write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    with tempfile.TemporaryDirectory() as work:
        step.call("ansible-test", "sanity", "--color", "no", "--python", python_version(), cwd=export_collection(Path(work)))


def units(step: Step) -> None:
    with tempfile.TemporaryDirectory() as work:
        step.call("ansible-test", "units", "--color", "no", "--python", python_version(), cwd=export_collection(Path(work)))


def contract(step: Step) -> None:
    """What the collection knows of MLflow's inside holds for each locked version. The environments stay in the cache, and with them what Python compiles."""
    uv, options = ROOT / ".venv/bin/uv", ("--no-config", "--quiet")
    for lock in sorted(ROOT.glob("roles/mlflow_server/files/locks/*/server.txt")):
        folder = Path(ENV["MLOPS_CACHE_DIR"]) / "contract" / lock.parent.name
        step.call(uv, "venv", *options, "--allow-existing", "--python", ROOT / ".venv/bin/python", folder)
        locks = [lock, lock.with_name("auth.txt"), *lock.parent.glob("oidc.txt")]
        step.call(uv, "pip", "sync", *options, "--require-hashes", "--only-binary=:all:", "--python", folder / "bin/python", *locks)
        step.call(folder / "bin/python", "-W", "ignore", ROOT / "tests/contract/contract.py", PYTHONDONTWRITEBYTECODE="")


def collection(step: Step) -> None:
    """The tarball that Galaxy would get installs elsewhere, and its playbooks are found by name and lead to a site."""
    with tempfile.TemporaryDirectory() as work:
        step.call("ansible-galaxy", "collection", "build", "--output-path", work, ROOT)
        (tarball,) = Path(work).glob("*.tar.gz")
        with tarfile.open(tarball) as archive:
            names = {name.partition("/")[0] for name in archive.getnames()}
        if names != TARBALL:
            raise StepError(f"the tarball has {sorted(names - TARBALL)} too much, and lacks {sorted(TARBALL - names)}")
        config = Path(work) / "ansible.cfg"
        config.touch()
        env = {"ANSIBLE_COLLECTIONS_PATH": work, "ANSIBLE_CONFIG": str(config)}
        step.call("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", work, tarball, **env)
        # As the README has it, in a folder that holds nothing yet; what is there then stays.
        inventory = Path(work) / "inventory"
        step.call("ansible-playbook", "mlops.mlflow.init", cwd=Path(work), PWD=work, **env)
        hosts = inventory / "hosts.yml"
        hosts.write_text(hosts.read_text() + "# Mine.\n")
        step.call("ansible-playbook", "mlops.mlflow.init", cwd=Path(work), PWD=work, **env)
        if not hosts.read_text().endswith("# Mine.\n"):
            raise StepError("init has overwritten an inventory")
        step.call("ansible-playbook", "mlops.mlflow.secrets", "-i", inventory, cwd=Path(work), **env)
        if (inventory / "group_vars/all/vault.yml").stat().st_mode & 0o777 != 0o600:
            raise StepError("others may read the vault")
        # An import inside an import is looked for in the working directory first.
        for name in {path.name for path in ROOT.glob("roles/*/tasks/*.yml")}:
            (Path(work) / "tasks").mkdir(exist_ok=True)
            (Path(work) / "tasks" / name).write_text("- name: Somebody else's\n  ansible.builtin.fail:\n")
        for playbook in sorted(ROOT.glob("playbooks/*.yml")):
            step.call("ansible-playbook", f"mlops.mlflow.{playbook.stem}", "-i", inventory, "--list-tasks", cwd=Path(work), **env)
        if "Somebody else's" in step.log.read_text():
            raise StepError("a role takes tasks of the folder in which ansible-playbook is called")


def python_version() -> str:
    return subprocess.run(
        [ROOT / ".venv/bin/python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True, capture_output=True, text=True
    ).stdout.strip()


def scenario(step: Step) -> None:
    step.call("molecule", "test", "--scenario-name", step.name)


def main(names: list[str]) -> int:
    quick = {"lint": lint, "sanity": sanity, "units": units, "contract": contract, "collection": collection}
    known = {**dict.fromkeys(SCENARIOS, scenario), **quick}
    unknown = set(names) - set(known)
    if unknown:
        print(f"unknown steps: {', '.join(sorted(unknown))}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    for folder in (LOGS, TIMES):
        folder.mkdir(parents=True, exist_ok=True)
    # The longest first, so that the lanes end together.
    steps = [Step(name, known[name]) for name in sorted(known, key=last_seconds, reverse=True) if name in (names or set(known) - LONG)]
    lock = threading.Lock()
    done = 0

    def run(step: Step) -> None:
        nonlocal done
        with lock:
            print(f"        {step.name}: started", flush=True)
        step.run()
        with lock:
            done += 1
            print(f"[{done:2}/{len(steps)}] {step.name}: {'ok' if step.ok else 'FAILED'} ({step.seconds:.0f} s)", flush=True)
            if not step.ok:
                tail = step.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
                print("\n".join(f"    | {line}" for line in tail), f"    (all of it: {step.log})", sep="\n", flush=True)

    start = time.monotonic()
    with ThreadPoolExecutor(LANES) as lanes, ThreadPoolExecutor(1) as beside:
        for running in [(beside if step.beside else lanes).submit(run, step) for step in steps]:
            running.result()
    failed = sum(not step.ok for step in steps)
    slowest = sorted(((seconds, step.name, part) for step in steps for seconds, part in step.times.slowest()), reverse=True)[:SLOWEST]
    if slowest:
        print("slowest parts:", *(f"  {seconds:6.1f} s  {name}: {part}" for seconds, name, part in slowest), sep="\n")
    print(f"total: {time.monotonic() - start:.0f} s")
    for step in steps:
        if not step.ok:
            print(f"{step.name} failed:", *(f"  {line[:300]}" for line in step.causes()), sep="\n")
    print(f"{len(steps) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
