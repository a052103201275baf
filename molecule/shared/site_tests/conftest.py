"""What the tests of both site scenarios share: the secrets, the login, and commands in containers."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

SHARED = Path(__file__).parent.parent
MODE = os.environ.get("SITE_ARTIFACT_MODE", "proxied")
STORE = f"https://store.{os.environ['SITE_PUBLIC_NAME']}"


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="session")
def secrets():
    values = yaml.load((SHARED / "site_vars.yml").read_text(), Loader)
    return {name: value for name, value in values.items() if name.startswith("vault_")}


@pytest.fixture(scope="session")
def groups():
    """Container names by group, from Molecule's inventory."""
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    output = subprocess.run(["ansible-inventory", "-i", inventory, "--list"], check=True, capture_output=True, text=True).stdout
    return {name: group["hosts"] for name, group in json.loads(output).items() if "hosts" in group}


@pytest.fixture(scope="session")
def servers(groups):
    return sorted({host for name, hosts in groups.items() if name in ("postgres", "minio", "mlflow_server", "nginx_tls") for host in hosts})


@pytest.fixture(scope="session")
def execute():
    """Run a command in a container; `env` and `stdin` never show in a command line."""

    def run(container, *argv, stdin="", env=None, check=True):
        options = [part for name in env or {} for part in ("--env", name)]
        done = subprocess.run(
            ["docker", "exec", "--interactive", *options, container, *argv],
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{argv} in {container}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    return run


def team_settings(secrets, team="vision"):
    """What a client with an access key of its own has, as docs/artifacts.md says it."""
    return {
        "MLFLOW_S3_ENDPOINT_URL": STORE,
        "AWS_ACCESS_KEY_ID": team,
        "AWS_SECRET_ACCESS_KEY": secrets[f"vault_artifact_{team}"],
        "AWS_CA_BUNDLE": "/root/ca.crt",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }


@pytest.fixture(scope="session")
def client(groups, execute, secrets):
    """Run Python code in the client's container, with MLflow's settings for the site's login (or another password)."""
    (container,) = groups["client"]
    ca = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory/.ca/nginx_tls.crt"
    execute(container, "sh", "-c", "cat > /root/ca.crt", stdin=ca.read_text())

    def run(code, password=None, check=True, argv=("/opt/client/bin/python", "-"), env=None, limit=120):
        settings = {
            "MLFLOW_TRACKING_URI": f"https://{os.environ['SITE_PUBLIC_NAME']}",
            "MLFLOW_TRACKING_USERNAME": "mlflow",
            "MLFLOW_TRACKING_PASSWORD": password or secrets["vault_site_login_password"],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": "/root/ca.crt",
            # MLflow's client asks the store itself with what `requests` trusts.
            "REQUESTS_CA_BUNDLE": "/root/ca.crt",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
            # Its thread takes a variable away while others read them all: a request fails now and then.
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **(team_settings(secrets) if MODE == "direct" else {}),
        }
        return execute(container, "timeout", str(limit), *argv, stdin=code, env={**settings, **(env or {})}, check=check)

    return run


@pytest.fixture(scope="session")
def experiment(client):
    """The name of one whose artifacts a client can store: the key of a team is for its folder alone."""
    name, place = {"direct": ("vision", "s3://mlflow-before/vision/all")}.get(MODE, ("artifacts", None))
    client(f"import mlflow; mlflow.get_experiment_by_name({name!r}) or mlflow.create_experiment({name!r}, {place!r})")
    return name
