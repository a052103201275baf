"""What the tests of single sign-on share: programs on the client's machine, and commands on the others."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parent.parent
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SITE, PROVIDER = "site-sso", "site-sso-keycloak"
ISSUER = f"https://{PROVIDER}:8443/realms/mlops"


def execute(container, *argv, stdin="", env=None):
    options = [part for name in env or {} for part in ("--env", name)]
    command = ["docker", "exec", "--interactive", *options, container, *argv]
    done = subprocess.run(command, input=stdin, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv} in {container}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def on_site():
    return lambda *argv, **options: execute(SITE, *argv, **options)


@pytest.fixture(scope="session")
def at_provider():
    return lambda *argv, **options: execute(PROVIDER, *argv, **options)


@pytest.fixture(scope="session")
def visit():
    """Run a program that knows input/visitors.py on the client's machine; what it prints last is JSON."""
    cas = (WORK / "inventory/.ca/nginx_tls.crt").read_text() + (WORK / "keycloak-ca.crt").read_text()
    execute(PROVIDER, "sh", "-c", "cat > /root/cas.crt", stdin=cas)
    visitors = (SCENARIO / "input/visitors.py").read_text()
    env = {
        "SITE_URL": f"https://{SITE}",
        "ISSUER": ISSUER,
        "VISITORS": (SCENARIO / "keycloak/mlops-realm.json").read_text(),
    }

    def run(code, **more):
        said = execute(PROVIDER, "timeout", "170", "/opt/client/bin/python", "-", stdin=visitors + code, env={**env, **more})
        return json.loads(said.splitlines()[-1])

    return run
