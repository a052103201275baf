"""Secrets replaced while clients write: two passwords in `make test`, every secret in `make drills`.

After this, the secrets of the other tests are not those of the site any more, so it comes last.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.one_scenario("site")

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PLAYBOOK = ROOT / "playbooks/rotate_secrets.yml"
KINDS = ["database", "s3", "login", "flask", "webhook", "kek", "certificates"]


class Site:
    """An inventory whose secrets are in a vault, as users have it, and the client that writes."""

    def __init__(self, folder, database, front, client, execute):
        self.folder = folder
        self.vault = folder / "group_vars/all/vault.yml"
        self.previous = self.vault.with_name(".vault.previous.yml")
        self.database = database
        self.front = front
        self.client = client
        self.passwords = []
        self.execute = execute

    def secrets(self):
        return yaml.load(self.vault.read_text(), yaml.BaseLoader)

    def wrapped_keys(self):
        """The keys of the stored secrets of the gateway, each encrypted."""
        psql = ["runuser", "--user=postgres", "--", "psql", "--no-align", "--tuples-only", "--dbname=mlflow"]
        return self.execute(self.database, *psql, stdin="SELECT wrapped_dek FROM secrets").stdout.split()

    def public_keys(self):
        places = {self.front: "/etc/ssl/nginx_tls/mlflow.crt", self.database: "/etc/postgresql/tls/main/server.crt"}
        return [self.execute(host, "openssl", "x509", "-noout", "-pubkey", "-in", path).stdout for host, path in places.items()]

    def tell_password(self):
        """Let the clients know another one. The former is in force until the run comes to the web front."""
        self.passwords += [self.secrets()["vault_site_login_password"]]
        # At once, for the client reads it all the time.
        self.execute(self.client, "sh", "-c", "cd /root; cat > new; mv new rotation-passwords", stdin="\n".join(self.passwords))

    def play(self, kinds, killed_at=None):
        """Run the playbook, and kill it where its output holds a text. Tells users the new password as soon as it is known."""
        argv = ["ansible-playbook", "-vv", "-i", str(self.folder), str(PLAYBOOK), "-e", json.dumps({"rotate_secrets": kinds})]
        run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=ROOT)
        lines = []
        for line in run.stdout:
            lines.append(line)
            if "PLAY [Artifact store]" in line:
                self.tell_password()
            if killed_at and killed_at in line:
                os.killpg(run.pid, signal.SIGKILL)
        return run.wait(), "".join(lines)


@pytest.fixture(scope="module")
def site(groups, execute):
    ephemeral = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    folder = ephemeral / "rotation"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ephemeral / "inventory", folder)
    lines = [*(HERE.parent / "site_vars.yml").read_text().splitlines(), f"site_public_name: {os.environ['SITE_PUBLIC_NAME']}"]
    for name, is_secret in (("vault", True), ("zz", False)):
        (folder / f"group_vars/all/{name}.yml").write_text("\n".join(line for line in lines if line.startswith("vault_") == is_secret))
    (database,), (front,), (client,) = (groups[name] for name in ("postgres", "nginx_tls", "client"))
    return Site(folder, database, front, client, execute)


@pytest.fixture
def writer(site):
    site.execute(site.client, "sh", "-c", "cat > /root/rotation_writer.py", stdin=(HERE / "rotation_writer.py").read_text())
    site.execute(site.client, "sh", "-c", "cat > /root/ca.crt", stdin=(site.folder / ".ca/nginx_tls.crt").read_text())
    site.tell_password()
    argv = ["docker", "exec", "-i", site.client, "/opt/client/bin/python", "/root/rotation_writer.py", os.environ["SITE_PUBLIC_NAME"], "/root/ca.crt"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writes\n"
    yield process
    process.kill()


# Prints why the database refuses the login, or nothing.
LOG_IN = """
import os, sys, psycopg2
try: psycopg2.connect(host=sys.argv[1], dbname="mlflow", user="mlflow", password=os.environ["PASSWORD"], sslmode="require").close()
except psycopg2.OperationalError as error: print(error)
"""


def assert_nothing_was_lost(writer):
    """What the clients were answered, by kind and status."""
    result = json.loads(writer.communicate(timeout=120)[0])
    assert [result[kind]["lost"] for kind in ("metrics", "artifacts")] == [0, 0], result
    assert min(result[kind]["acknowledged"] for kind in ("metrics", "artifacts")) > 20, result
    return result["answers"]


def test_passwords_are_replaced_under_load(site, writer, groups):
    """And the former ones are refused: each client has gone on with the one of the login until it was."""
    before = site.secrets()
    status, output = site.play(["database", "login"])
    assert status == 0, output[-5000:]
    after = site.secrets()
    assert {name for name in before if before[name] != after[name]} == {"vault_postgres_mlflow_password", "vault_site_login_password"}
    assert not site.previous.exists()
    assert not {name for name, value in [*before.items(), *after.items()] if value in output}
    answers = assert_nothing_was_lost(writer)
    assert all(answers[kind].get("401") for kind in ("metric", "artifact")), answers

    def log_in(password):
        argv = ["/opt/mlflow/current/bin/python", "-c", LOG_IN, site.database]
        return site.execute(groups["mlflow_server"][0], *argv, env={"PASSWORD": password}).stdout

    assert "password authentication failed" in log_in(before["vault_postgres_mlflow_password"])
    assert log_in(after["vault_postgres_mlflow_password"]) == ""


@pytest.mark.drill
def test_secrets_are_replaced_under_load(site, writer):
    """By a run that is killed when all is encrypted anew and nobody serves, and one that goes on."""
    before, wrapped, certificates = site.secrets(), site.wrapped_keys(), site.public_keys()
    status, first = site.play(KINDS, killed_at="TASK [mlops.mlflow.mlflow_server : files | Write environment")
    assert status == -signal.SIGKILL, first[-5000:]
    between = site.secrets()
    # Keys that clients of the store have are theirs.
    assert {name for name in before if before[name] == between[name]} == {"vault_artifact_vision", "vault_artifact_speech"}
    assert {**before, **yaml.load(site.previous.read_text(), yaml.BaseLoader)} == {"vault_minio_mlflow_access_key": "null", **before}
    status, second = site.play(["database", "certificates"])
    assert status == 0, second[-5000:]
    assert (site.secrets(), site.previous.exists()) == (between, False)
    assert_nothing_was_lost(writer)
    assert not set(certificates) & set(site.public_keys())
    assert not set(wrapped) & set(site.wrapped_keys())
    shown = {name for name, value in [*before.items(), *between.items()] if value in first + second}
    assert shown <= {"vault_minio_mlflow_access_key"}
