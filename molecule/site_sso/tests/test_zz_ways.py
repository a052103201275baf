"""From one way in to another, while somebody without a login tries all the time. The first way is the last, too."""

import json
import os
import subprocess

import pytest
from conftest import PROVIDER, SCENARIO, SITE, WORK

ROOT = SCENARIO.parent.parent
# Until its input ends. What MLflow shows to everybody is not asked for.
PROBE = f"""
import collections, json, ssl, sys, threading, urllib.error, urllib.request
context = ssl.create_default_context(cafile="/root/cas.crt")
found, over = collections.Counter(), threading.Event()

def ask():
    while not over.is_set():
        try:
            with urllib.request.urlopen("https://{SITE}/api/2.0/mlflow/experiments/search?max_results=1", context=context, timeout=30) as answer:
                found[answer.status] += 1
        except urllib.error.HTTPError as exc:
            found[exc.code] += 1
        except OSError:
            found["broken"] += 1

threads = [threading.Thread(target=ask) for _number in range(2)]
[thread.start() for thread in threads]
sys.stdin.read()
over.set()
[thread.join() for thread in threads]
print(json.dumps(found))
"""
# MLflow takes no other letters than those of ASCII.
LOGINS = {"nginx": "login of the site", "mlflow": "login of the site"}


def deploy(way, tags, **others):
    variables = {"site_login": way, **others, "vault_site_login_password": LOGINS.get(way, "not asked for"), "mlflow_server_default_permission": "READ"}
    given = [f"--extra-vars=@{path}" for path in (ROOT / "molecule/shared/site_vars.yml", SCENARIO / "vars/all.yml")]
    argv = ["ansible-playbook", "-i", str(WORK / "inventory"), *given, f"--extra-vars={json.dumps(variables)}", f"--tags={tags}", str(ROOT / "site.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default"})
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def users(visit):
    """What the login of the site and a token are told."""
    code = """
basic = "Basic " + base64.b64encode(b"mlflow:login of the site").decode()
print(json.dumps([ask(SEARCH, Authorization=basic)[0], by_token(token("ci"))[0]]))
"""
    return visit(code)


MLFLOW = pytest.param("mlflow", "postgres,mlflow_server,nginx_tls", marks=pytest.mark.drill)


@pytest.mark.parametrize(("way", "tags"), [("nginx", "nginx_tls"), MLFLOW])
def test_nobody_comes_in_between_two_ways(visit, on_site, way, tags):
    assert users(visit) == [401, 200]
    argv = ["docker", "exec", "--interactive", PROVIDER, "python3", "-c", PROBE]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        deploy(way, tags)
        by_password, with_token = users(visit)
        # MLflow's own login answers a token with 500.
        assert by_password == 200
        assert with_token == (500 if way == "mlflow" else 401)
        # What nobody asks any more is gone, with its secrets.
        assert on_site("sh", "-c", "ls -d /etc/oauth2-proxy /opt/oauth2-proxy /run/oauth2-proxy 2>/dev/null; getent passwd oauth2-proxy || true") == ""
        deploy("proxy", tags)
        assert users(visit) == [401, 200]
        found = json.loads(probe.communicate("")[0])
    assert found.pop("401") > 50
    # nginx restarts with another group, and MLflow with another login.
    assert found.keys() <= {"broken", "500", "502", "503", "504"}, found
