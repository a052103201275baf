"""What a client deletes through MLflow comes back by the playbook, and not by the client."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOG = """
import hashlib, os, pathlib, mlflow
source = pathlib.Path("/tmp/kept ü.bin"); source.write_bytes(os.urandom(3 * 2**20))
mlflow.set_experiment("restored")
with mlflow.start_run() as run:
    mlflow.log_artifact(source, "some/where")
print(run.info.experiment_id, run.info.run_id, hashlib.sha256(source.read_bytes()).hexdigest())
"""
DELETE = """
import os, requests
login = (os.environ["MLFLOW_TRACKING_USERNAME"].encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts/artifacts/%s"
print(requests.delete(url, auth=login, verify="/root/ca.crt", timeout=30).status_code)
"""
# Not the folders above: the store shows those as long as it keeps what was in them.
LIST = "import mlflow; print([item.path for item in mlflow.MlflowClient().list_artifacts('%s', 'some/where')])"
DOWNLOAD = """
import hashlib, pathlib, mlflow
down = mlflow.artifacts.download_artifacts(run_id="%s", artifact_path="some/where/kept ü.bin")
print(hashlib.sha256(pathlib.Path(down).read_bytes()).hexdigest())
"""


def restore(*options):
    """What the playbook says: how many objects."""
    inventory, work = os.environ["MOLECULE_INVENTORY_FILE"], Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    argv = ["ansible-playbook", "-i", inventory, "-e", f"@{ROOT / 'molecule/shared/site_vars.yml'}", *options, ROOT / "playbooks/restore_artifacts.yml"]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "NO_COLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=work, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    message = next(line for line in done.stdout.splitlines() if '"msg"' in line)
    return json.loads("{" + message.strip().rstrip(",") + "}")["msg"]


@pytest.mark.one_scenario("site")
def test_deleted_artifacts_come_back(client):
    # MLflow's client says something before.
    experiment, run, checksum = client(LOG).stdout.splitlines()[-1].split()
    assert client(LIST % run).stdout.strip() == "['some/where/kept ü.bin']"
    assert client(DELETE % experiment).stdout.split() == ["200"]
    assert client(LIST % run).stdout.strip() == "[]"
    prefix = f"restore_prefix={experiment}/"
    assert restore("-e", prefix, "--check") == "1 objects would come back."
    assert client(LIST % run).stdout.strip() == "[]"
    assert restore("-e", prefix) == "1 objects came back."
    assert client(DOWNLOAD % run).stdout.split()[-1] == checksum
    assert restore("-e", prefix) == "0 objects came back."
