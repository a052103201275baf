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
# By group, what is killed on its hosts, and whether transfers hear of it.
VICTIMS = {"nginx_tls": ["nginx"], "minio": ["minio"], "mlflow_server": ["mlflow", "mlflow-fastapi"]}


@pytest.fixture
def transfer(client):
    def run(what):
        return json.loads(client(PROGRAM, argv=["/opt/client/bin/python", "-", what, NOTES]).stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("victim", VICTIMS)
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
        assert found["down"] == "IncompleteRead"
        assert isinstance(found["up"], str) or found["up"][0] >= 500
    after = transfer("retry")
    print(after)
    assert after["whole"]
    assert after["half"] == (200 if victim == "mlflow_server" and MODE != "proxied" else 404)
    for app in groups["mlflow_server"]:
        assert execute(app, "find", "/var/lib/mlflow/tmp", "-mindepth", "2", "!", "-name", "db_init_lock-*").stdout == ""


def test_slow_clients_hold_up_nobody(transfer):
    found = transfer("slow")
    print(found)
    assert found["least"] > 100_000
    assert found["during"] < 3 * found["before"] + 1


@pytest.fixture
def bucket(groups, execute, secrets):
    """Limits it, and lifts the limit afterwards."""
    (app,), (store,) = groups["mlflow_server"], groups["minio"]
    settings = dict(line.split("=", 1) for line in execute(app, "cat", "/etc/mlflow/mlflow.env").stdout.splitlines() if "=" in line)
    address, name = (settings[key].strip('"') for key in ("MLFLOW_S3_ENDPOINT_URL", "MLFLOW_ARTIFACTS_DESTINATION"))
    execute(store, "sh", "-c", "cat > /run/full.py", stdin=Path(__file__).with_name("full.py").read_text())

    def limit(size):
        argv = ("/opt/minio/tools/bin/python", "/run/full.py", address, name.removeprefix("s3://"), str(size))
        execute(store, *argv, stdin=secrets["vault_minio_root_password"])

    yield limit
    limit(0)


def test_a_full_store_says_so_and_works_when_there_is_room(bucket, transfer):
    bucket(2**20)
    status, text = transfer("put")
    print(status, text)
    assert status == 507
    assert "The artifact store is full" in text
    bucket(0)
    assert transfer("put")[0] == 200
