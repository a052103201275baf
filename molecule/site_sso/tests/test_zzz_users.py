"""MLflow has users of its own, whom the provider knows."""

import contextlib
import json
import re
import subprocess

import pytest
from conftest import PROVIDER, SCENARIO, SITE, WORK
from test_zz_ways import PROBE, deploy

TAGS = "postgres,mlflow_server,nginx_tls"
# A client whose tokens live for minutes, and so do sessions; machines have theirs for the other one.
CLIENT = {"site_oidc_client_id": "mlflow-users", "site_oidc_groups": ["mlflow"], "mlflow_server_oidc_audience": "mlflow"}
SECRET = "secret of users, for the tests"


@contextlib.contextmanager
def somebody_tries():
    """All the time, without a login."""
    argv = ["docker", "exec", "--interactive", PROVIDER, "python3", "-c", PROBE]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        yield
        found = json.loads(probe.communicate("")[0])
    # MLflow restarts, and some wait for that too long.
    assert found.pop("401") > 50
    assert found.keys() <= {"500", "502", "503", "504", "broken"}, found


def test_users_come_in_by_the_provider(on_site):
    """What MLflow lets in is tried by input/oidc.py."""
    variables = {**CLIENT, "vault_site_oidc_client_secret": SECRET}
    with somebody_tries():
        # With the smoke test, by a token of the provider.
        deploy("oidc", f"{TAGS},smoke_test", **variables)
    again = deploy("oidc", "mlflow_server", **variables)
    assert re.search(rf"^{SITE} .*changed=0 ", again, re.MULTILINE), again[-3000:]
    realm = json.loads((SCENARIO / "keycloak/mlops-realm.json").read_text())
    # The list of routes is made of the application, which opens a database.
    env = {"SITE_URL": f"https://{SITE}", "ISSUER_URL": f"https://{PROVIDER}:8443/realms/mlops", "OIDC_USERS_DB_URI": "sqlite:////root/routes.db"}
    env |= {"USERS": json.dumps({user["username"]: user["credentials"][0]["value"] for user in realm["users"] if "credentials" in user})}
    env |= {"CLIENTS": json.dumps({client["clientId"]: client["secret"] for client in realm["clients"]}), "REQUESTS_CA_BUNDLE": "/root/cas.crt"}
    texts = {"cas.crt": (WORK / "inventory/.ca/nginx_tls.crt").read_text() + (WORK / "keycloak-ca.crt").read_text(), "secret": SECRET}
    texts |= {path.name: path.read_text() for path in (SCENARIO / "input/oidc.py", SCENARIO.parent / "shared/routes.py")}
    for name, text in texts.items():
        on_site("sh", "-c", f"umask 077; cat > /root/{name}", stdin=text)
    on_site("timeout", "600", "/opt/mlflow/current/bin/python", "/root/oidc.py", env=env)
    # In no file that others may read, and in no argument.
    look = "find /etc /opt/mlflow /run /var/lib/mlflow -xdev -type f -perm /077 -size -1M -exec grep -lFf /root/secret {} +; "
    assert on_site("sh", "-c", look + "grep -lFf /root/secret /proc/[0-9]*/cmdline || true") == ""


@pytest.mark.drill
def test_nobody_comes_in_on_the_way_back():
    deploy("oidc", TAGS, **CLIENT, vault_site_oidc_client_secret=SECRET)
    with somebody_tries():
        deploy("proxy", TAGS)
