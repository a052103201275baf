"""How long the modules take on the target, against MLflow's own command. Writes .build/figures/mlflow_db_modules.txt."""

from __future__ import annotations

import statistics

import pytest
import testbed
from testbed import on

# What is aimed at is 8 times and 1.5 s. The limits leave room for a busy machine, and none for an import of MLflow.
FASTER, OVERHEAD = 2, 3
ROUNDS = 3
TABLE = testbed.PROJECT / ".build" / "figures" / "mlflow_db_modules.txt"
STOPWATCH = """
import subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True, stdin=subprocess.DEVNULL)
print(time.monotonic() - start)
sys.exit(done.stderr + done.stdout if done.returncode else 0)
"""


@pytest.fixture
def packed(machine):
    """A module with its options in one file on the target, as Ansible sends it: what is measured is not Ansible's own time."""

    def pack(module, database):
        machine.host.check_output("rm -rf /root/.ansible/tmp")
        options = {"virtualenv": f"{testbed.ENVIRONMENTS}/{testbed.NEW}", **database.options}
        keep = {"ANSIBLE_KEEP_REMOTE_FILES": "true", "ANSIBLE_PIPELINING": "false"}
        assert not machine.run(module, options, environment=keep).failed
        target = f"/root/{module}.py"
        machine.host.check_output(f"mv /root/.ansible/tmp/*/AnsiballZ_{module}.py {target}")
        return ["python3", target]

    yield pack
    machine.host.check_output("rm -rf /root/.ansible/tmp /root/mlflow_db_*.py")


def seconds(machine, argv):
    return float(machine.host.check_output(" ".join(["python3 -c %s", *["%s"] * len(argv)]), STOPWATCH, *argv))


def report(machine, lines):
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    table = "\n".join(f"{machine.name}: {line}" for line in lines)
    TABLE.write_text(f"{table}\n")
    print(table)


@on("debian13")
def test_figures(machine, postgresql, packed):
    mlflow = ["env", "MLFLOW_DISABLE_TELEMETRY=true", f"{testbed.ENVIRONMENTS}/{testbed.NEW}/bin/mlflow", "db", "upgrade", postgresql.uri]
    upgrade = packed("mlflow_db_upgrade", postgresql)
    info = packed("mlflow_db_info", postgresql)
    nothing = {"mlflow db upgrade": mlflow, "mlflow_db_info": info, "mlflow_db_upgrade": upgrade}
    assert postgresql.revision() == testbed.NEW_HEAD
    # They take turns, so that another load meets all of them.
    rounds = [{name: seconds(machine, argv) for name, argv in nothing.items()} for turn in range(ROUNDS)]
    same = {name: statistics.median(times[name] for times in rounds) for name in nothing}

    def migration(argv):
        postgresql.start_over()
        time = seconds(machine, argv)
        assert postgresql.revision() == testbed.NEW_HEAD
        return time

    pairs = [(migration(mlflow), migration(upgrade)) for turn in range(ROUNDS)]
    overhead = statistics.median(ours - theirs for theirs, ours in pairs)
    lines = [f"nothing pending, {name}: {time:.2f} s, {same['mlflow db upgrade'] / time:.1f} times as fast" for name, time in same.items()]
    lines += [f"{testbed.OLD} -> {testbed.NEW}, {name}: {statistics.median(pair[n] for pair in pairs):.2f} s" for n, name in enumerate(list(nothing)[::2])]
    lines += [f"{testbed.OLD} -> {testbed.NEW}, mlflow_db_upgrade takes longer by: {overhead:.2f} s"]
    report(machine, lines)
    for module in ("mlflow_db_info", "mlflow_db_upgrade"):
        assert same["mlflow db upgrade"] > FASTER * same[module], lines
    assert overhead < OVERHEAD, lines
