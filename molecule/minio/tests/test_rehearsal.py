"""Check mode of the role foretells changes that build on each other in one run, and a run does what is needed and no more."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parent.parent
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
pytestmark = pytest.mark.one_machine("debian12")


def policies(*names, **options):
    return [{"name": "mlflow", "bucket": "mlflow"}, *({"name": name, "bucket": "other", **options} for name in names)]


# What the run itself provides, and what it takes from those who have it, because they lose it or go.
MORE = {
    "minio_policies": policies("lost", "gone"),
    "minio_users": [{"access_key": name, "secret_key": f"{name}-secret", "policies": [name]} for name in ("lost", "gone")],
    "minio_groups": [{"name": name, "members": [name], "policies": [name]} for name in ("lost", "gone")],
    "minio_disk_warning_percent": 1,
}
LESS = {
    "minio_policies": policies("lost", "gone", state="absent"),
    "minio_users": [{"access_key": "lost", "secret_key": "lost-secret", "policies": []}, {"access_key": "gone", "state": "absent"}],
    "minio_groups": [{"name": "lost", "members": [], "policies": []}, {"name": "gone", "state": "absent"}],
}


SWITCH = "configure | Switch to the program, and write the environment and the unit of the server"
START = "service | Run the server now and after each boot"
OUTDATED = "service | Find the server older than its files"
DISK = "disk | Write or remove program and units"
FULL = "preflight_host | Note disks that are nearly full"
VERIFY = "verify | Write and read an object, and check that the well-known login is refused"


@pytest.fixture
def run(host):
    """Run the role with these variables: which of its tasks say that they change something, or verify."""
    name = host.backend.get_hostname()

    def run_role(variables, *options):
        extra = WORK / f"rehearsal-{name}.json"
        extra.write_text(json.dumps(variables))
        argv = ["ansible-playbook", "-i", str(WORK / "inventory"), "--limit", name, "-e", f"@{extra}", *options, str(SCENARIO / "converge.yml")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "NO_COLOR": "1"})
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        tasks = re.findall(r"^TASK \[mlops\.mlflow\.minio : (.*?)\] \**\n((?:.+\n)*)", done.stdout, re.MULTILINE)
        return [task for task, result in tasks if "changed: [" in result or (task in (VERIFY, FULL) and "ok: [" in result)]

    return run_role


def test_check_mode_foretells_a_run(run):
    for variables, changes in (
        (MORE, [FULL, DISK, "access | Provide policies", "access | Provide users", "access | Provide groups"]),
        (LESS, [DISK, "access | Provide users", "access | Provide groups", "access | Remove policies"]),
    ):
        assert run(variables, "--check") == changes
        assert run(variables) == changes


def test_check_mode_foretells_another_address(run):
    assert run({"minio_port": 9005}, "--check") == [SWITCH]


def test_server_that_was_down_is_started_and_verified(host, run):
    host.check_output("systemctl stop minio")
    assert run({}) == [START, VERIFY]


def test_server_that_is_older_than_its_files_is_restarted_and_verified(host, run):
    """As after a run that ended before its handlers ran: the files are as they should be, and what runs is not."""
    switch = 'sed -i \'s/MINIO_UPDATE="{}"/MINIO_UPDATE="{}"/\' /etc/minio/minio.env'
    environment = "tr '\\0' '\\n' </proc/$(systemctl show --property MainPID --value minio)/environ | grep MINIO_UPDATE"
    host.check_output(f"{switch.format('off', 'on')} && systemctl restart minio && {switch.format('on', 'off')}")
    assert host.check_output(environment) == "MINIO_UPDATE=on"
    assert run({}, "--check") == [OUTDATED]
    assert run({}) == [OUTDATED, VERIFY]
    assert host.check_output(environment) == "MINIO_UPDATE=off"


def test_numbers_may_be_text(run):
    """As those of `-e minio_port=9000` are. And after all that went before, nothing is left to do."""
    numbers = {
        "minio_port": "9000",
        "minio_console_port": "9001",
        "minio_min_memory_mb": "128",
        "minio_min_disk_mb": "64",
        "minio_disk_warning_percent": "99",
        "minio_start_timeout_seconds": "120",
    }
    assert run(numbers) == []
