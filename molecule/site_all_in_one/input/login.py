"""Runs on the MLflow host: what the site lets in when MLflow asks for the login, through the site's front.

Environment: SITE_NAME, SITE_CA (path), and LOGINS, a JSON object with the passwords of the administrator, `alice`, who may edit all experiments,
and `bob`, who may nothing. Fails at the first thing that is not as it has to be.
"""

import base64
import http.client
import json
import os
import re
import ssl
from concurrent.futures import ThreadPoolExecutor

from routes import all_routes, tricks

NAME = os.environ["SITE_NAME"]
LOGINS = json.loads(os.environ["LOGINS"])
CONTEXT = ssl.create_default_context(cafile=os.environ["SITE_CA"])
ADMIN = next(iter(LOGINS.keys() - {"alice", "bob"}))
# What MLflow shows to everybody, by the beginning of the path: whether it lives and what it can do, pictures and programs of its pages.
OPEN = ("/health", "/static-files/", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info")
# nginx answers instead.
REFUSED = "/ajax-api/3.0/mlflow/assistant/"
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts"


class Client:
    """One connection of one user, or of nobody."""

    def __init__(self, user=None, password=None):
        self._connection = http.client.HTTPSConnection(NAME, context=CONTEXT, timeout=60)
        self._headers = {"Content-Type": "application/json"}
        if user:
            login = f"{user}:{LOGINS[user] if password is None else password}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()

    def ask(self, method, path, body=None):
        self._connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def expect(wanted, found, what):
    assert found[0] == wanted, f"{what}: {found[0]} instead of {wanted}, {found[1][:300]!r}"
    return found[1]


def routes():
    """Those of MLflow and of its login application."""
    from mlflow.server.auth import routes as of_the_login

    found = all_routes({("GET", path) for path in vars(of_the_login).values() if isinstance(path, str) and re.match("/[a-z]", path)})
    return [(method, path) for method, path in found if not path.startswith((REFUSED, *OPEN))]


def check_nobody_comes_in_without_a_login():
    everything = routes()
    assert len(everything) > 400, len(everything)
    nobody = Client()
    for method, path in everything:
        expect(401, nobody.ask(method, path, None if method == "GET" else {}), f"{method} {path}")
    # Several lead to the same code.
    for method, path in everything[::7]:
        for trick in tricks(path):
            status, body = nobody.ask(method, trick, None if method == "GET" else {})
            assert status >= 400 or (trick.startswith("/health") and len(body) < 10), f"{method} {trick}: {status}, {body[:300]!r}"
    for user, password in ((ADMIN, "another"), ("alice", LOGINS[ADMIN]), ("alice", ""), ("", ""), (ADMIN, "password1234"), ("nobody", "x" * 12)):
        for path in ("/api/2.0/mlflow/experiments/search?max_results=1", f"{ARTIFACT}/x", "/v1/traces"):
            expect(401, Client(user or "alice", password).ask("GET", path), f"{user} at {path}")


def check_permissions_count_for_all_that_an_experiment_has():
    admin, alice, bob = map(Client, (ADMIN, "alice", "bob"))
    guarded = {"name": f"guarded-{os.urandom(4).hex()}"}
    experiment = json.loads(expect(200, admin.ask("POST", "/api/2.0/mlflow/experiments/create", guarded), "create"))["experiment_id"]
    run = {"experiment_id": experiment, "start_time": 1}
    expect(403, bob.ask("POST", "/api/2.0/mlflow/runs/create", run), "bob makes a run")
    made = json.loads(expect(200, alice.ask("POST", "/api/2.0/mlflow/runs/create", run), "alice makes a run"))["run"]["info"]
    path = f"{ARTIFACT}/{made['artifact_uri'].partition(':/')[2]}/a%20b.txt"
    expect(200, alice.ask("PUT", path, b"hers"), "alice writes an artifact")
    assert expect(200, alice.ask("GET", path), "alice reads it") == b"hers"
    for method in ("GET", "PUT", "DELETE"):
        expect(403, bob.ask(method, path, b"his" if method == "PUT" else None), f"bob and the artifact, {method}")
    assert expect(200, admin.ask("GET", path), "the administrator reads it") == b"hers"
    metric = {"run_id": made["run_id"], "key": "m", "value": 1, "timestamp": 1}
    expect(403, bob.ask("POST", "/api/2.0/mlflow/runs/log-metric", metric), "bob writes a metric")
    expect(403, bob.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={made['run_id']}"), "bob reads a run")
    expect(403, alice.ask("POST", "/api/2.0/mlflow/users/create", {"username": "mallory", "password": "x" * 12}), "alice makes a user")
    expect(403, alice.ask("PATCH", "/api/2.0/mlflow/users/update-admin", {"username": "alice", "is_admin": True}), "alice makes herself an administrator")


def check_no_worker_takes_the_answers_of_another():
    """A connection to the database that was made before the workers were forked would be shared by them."""

    def ask(number):
        user = (ADMIN, "alice", "bob")[number % 3]
        client = Client(user)
        for _time in range(40):
            said = json.loads(expect(200, client.ask("GET", "/api/2.0/mlflow/users/current"), user))["user"]
            assert said["username"] == user, f"{user} is told to be {said['username']}"
            # Passwords are remembered for a while, users are not.
            expect(200, client.ask("GET", f"/api/2.0/mlflow/users/get?username={user}"), user)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ask, range(16)))


def main():
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
            print(f"{name}: ok")


if __name__ == "__main__":
    main()
