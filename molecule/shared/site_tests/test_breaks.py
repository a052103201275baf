"""Transfers of artifacts that something happens to, and slow ones."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import MODE

PROGRAM = Path(__file__).with_name("transfers.py").read_text()
NOTES = "/run/transfers"
# The workers of a unit, or what it is all in one.
KILL = """
for unit in "$@"; do
  main=$(systemctl show --property=MainPID --value "$unit")
  kill -9 $(pgrep -P "$main" || echo "$main")
done
"""
# By group, what is killed on its hosts.
VICTIMS = {"nginx_tls": ["nginx"], "minio": ["minio"], "mlflow_server": ["mlflow", "mlflow-fastapi"]}


@pytest.fixture
def transfer(client):
    def run(what):
        return json.loads(client(PROGRAM, argv=["/opt/client/bin/python", "-", what, NOTES]).stdout.splitlines()[-1])

    return run


# MLflow takes long to start.
@pytest.mark.parametrize("victim", ["nginx_tls", "minio", pytest.param("mlflow_server", marks=pytest.mark.drill)])
def test_a_transfer_that_breaks_off_is_an_error_and_leaves_nothing(victim, groups, execute, transfer):
    (container,), (host,) = groups["client"], groups[victim]
    execute(container, "rm", "--recursive", "--force", NOTES)
    with ThreadPoolExecutor() as pool:
        transfers = pool.submit(transfer, "halfway")
        execute(container, "timeout", "60", "sh", "-c", f"until test -e {NOTES}/half; do sleep 0.05; done")
        execute(host, "sh", "-c", KILL, "kill", *VICTIMS[victim])
        execute(container, "touch", f"{NOTES}/go")
        found = transfers.result()
    print(victim, found)
    if victim == "mlflow_server" and MODE != "proxied":
        # It has said what may be done, and has no part in it.
        assert found == {"up": [200, found["up"][1]], "down": "whole"}
    else:
        # Names of errors; MLflow may have had the file from the store already.
        assert found["down"] != "short"
        assert found["down"] != "whole" or (victim == "minio" and MODE == "proxied")
        assert isinstance(found["up"], str) or found["up"][0] >= 500
    after = transfer("retry")
    print(after)
    assert after["whole"]
    assert after["half"] == (200 if victim == "mlflow_server" and MODE != "proxied" else 404)
    for app in groups["mlflow_server"]:
        assert execute(app, "find", "/var/lib/mlflow/tmp", "-mindepth", "2", "!", "-name", "db_init_lock-*").stdout == ""


# MLflow's client tries again by itself, as often as it is told to; what it says is done has to be.
LOG = """
import hashlib, os, pathlib, time, mlflow
source = pathlib.Path("/root/log/source"); source.parent.mkdir(exist_ok=True); source.write_bytes(os.urandom(2**20) * 600)
digest = lambda path: hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()
mlflow.set_experiment("artifacts")
def tell(step, action):
    try: result = action()
    except Exception as error: result = type(error).__name__
    print(step, result, flush=True)
    return result
with mlflow.start_run() as run:
    pathlib.Path("/root/log/up").touch()
    # As text: of a large file that goes to the store itself MLflow's client knows no other paths.
    stored = tell("stored", lambda: mlflow.log_artifact(str(source)))
    if stored:
        time.sleep(20)
        mlflow.log_artifact(str(source))
    pathlib.Path("/root/log/down").touch()
    fetch = lambda: digest(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="source", dst_path="/root/log/back"))
    if tell("fetched", fetch) != digest(source):
        time.sleep(10)
        assert fetch() == digest(source)
print("ok")
"""


@pytest.mark.drill
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("way", ["up", "down"])
def test_mlflows_client_is_told_of_what_broke_off(victim, way, groups, execute, client):
    (container,), (host,) = groups["client"], groups[victim]
    execute(container, "rm", "--recursive", "--force", "/root/log")
    with ThreadPoolExecutor() as pool:
        logged = pool.submit(client, LOG, limit=900)
        execute(container, "timeout", "300", "sh", "-c", f"until test -e /root/log/{way}; do sleep 0.05; done; sleep 1")
        execute(host, "sh", "-c", KILL, "kill", *VICTIMS[victim])
        output = logged.result().stdout
    print(output)
    assert output.splitlines()[-1] == "ok"


def test_slow_clients_hold_up_nobody(transfer):
    found = transfer("slow")
    print(found)
    # They have got on meanwhile.
    assert found["least"] > 10_000
    assert found["during"] < 3 * found["before"] + 1
