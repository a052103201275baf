"""Artifacts in MLflow's pages, by a real browser on a machine that reaches the web front alone."""

import json
import os
import re
from pathlib import Path

import pytest
from conftest import MODE, SHARED, STORE

HERE = Path(__file__).parent
LOG = """
import hashlib, json, os, pathlib, numpy, mlflow
files = {"large.bin": os.urandom(9 * 2**20), "words.txt": b"these are the words"}
folder = pathlib.Path("/root/looked-at"); folder.mkdir(exist_ok=True)
mlflow.set_experiment(%r)
with mlflow.start_run() as run:
    mlflow.log_image(numpy.random.randint(0, 255, (5, 37, 3), dtype=numpy.uint8), "picture.png")
    for name, content in files.items():
        (folder / name).write_bytes(content)
        mlflow.log_artifact(folder / name)
picture = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="picture.png", dst_path=str(folder))
digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (*files, "picture.png")}
print(json.dumps([f"/experiments/{run.info.experiment_id}/runs/{run.info.run_id}", digests]))
"""
# The assistant and the users of MLflow's own login are not there.
OWN = re.compile(r"/mlflow/assistant/\w+: 403$|/mlflow/users/current: 404$")


# What a browser takes long for is the same page in every mode: `make test` sees one, and the drills the others.
@pytest.mark.parametrize(
    "_scenario",
    [
        pytest.param("site", marks=pytest.mark.one_scenario("site")),
        pytest.param("site_all_in_one", marks=[pytest.mark.one_scenario("site_all_in_one"), pytest.mark.drill]),
    ],
)
def test_a_browser_shows_takes_and_stores_artifacts(_scenario, groups, execute, client, secrets, experiment):
    (container,) = groups["client"]
    path, digests = json.loads(client(LOG % experiment).stdout.splitlines()[-1])
    execute(container, "sh", "-s", "/root/ca.crt", stdin=(SHARED / "trust.sh").read_text())
    env = {
        "SITE_URL": f"https://{os.environ['SITE_PUBLIC_NAME']}",
        "PERSON": "mlflow",
        "PASSWORD": secrets["vault_site_login_password"],
        "RUN_PATH": path,
        "PYTHONPATH": "/root",
    }
    execute(container, "sh", "-c", "cat > /root/browser.py", stdin=(HERE / "browser.py").read_text())
    program = (HERE / "look.py").read_text()
    found = json.loads(execute(container, "timeout", "300", "/opt/browser/bin/python", "-", stdin=program, env=env).stdout.splitlines()[-1])
    print(json.dumps(found, indent=1))
    assert found["stored"][0] == 200, found["stored"]
    assert {name: digest for name, _url, digest in found["taken"]} == digests
    # With `presigned` and `direct` from the store itself; else the page makes a file of what it has fetched.
    assert all(url.startswith(f"{STORE}/" if MODE in ("presigned", "direct") else "blob:https://") for _name, url, _digest in found["taken"]), found["taken"]
    assert [words for words in found["complaints"] if not OWN.search(words)] == []
