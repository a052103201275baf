"""Check mode of the role foretells changes that build on each other in one run."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parent.parent
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])

MLFLOW = {"name": "mlflow", "bucket": "mlflow"}
MORE = {
    "minio_policies": [MLFLOW, {"name": "more", "bucket": "other"}],
    "minio_users": [{"access_key": "more", "secret_key": "more-secret", "policies": ["more"]}],
    "minio_groups": [{"name": "team", "members": ["more"], "policies": ["more"]}],
}
# The user and the group lose what is removed, or go themselves.
LESS = {
    "minio_policies": [MLFLOW, {"name": "more", "state": "absent"}],
    "minio_users": [{"access_key": "more", "secret_key": "more-secret", "policies": []}],
    "minio_groups": [{"name": "team", "members": [], "policies": []}],
}
GONE = {
    "minio_policies": [MLFLOW, {"name": "more", "state": "absent"}],
    "minio_users": [{"access_key": "more", "state": "absent"}],
    "minio_groups": [{"name": "team", "state": "absent"}],
}


@pytest.fixture
def run(host):
    """Run the role with these variables: which of its access tasks say that they change something."""
    name = host.backend.get_hostname()

    def run_role(variables, *options):
        extra = WORK / f"rehearsal-{name}.json"
        extra.write_text(json.dumps(variables))
        argv = ["ansible-playbook", "-i", str(WORK / "inventory"), "--limit", name, "-e", f"@{extra}", *options, str(SCENARIO / "converge.yml")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "NO_COLOR": "1"})
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        tasks = re.findall(r"^TASK \[.*?access \| (.*?)\] \**\n((?:.+\n)*)", done.stdout, re.MULTILINE)
        return [task for task, result in tasks if "changed: [" in result]

    return run_role


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (None, MORE, ["Provide policies", "Provide users", "Provide groups"]),
        (MORE, LESS, ["Provide users", "Provide groups", "Remove policies"]),
        (MORE, GONE, ["Provide users", "Provide groups", "Remove policies"]),
    ],
)
def test_check_mode_foretells_a_run(run, before, after, changes):
    if before:
        run(before)
    foretold = run(after, "--check")
    assert foretold == run(after) == changes
    assert run(after, "--check") == []
