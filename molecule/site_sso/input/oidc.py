"""Runs on the MLflow host: what the site lets in by single sign-on, through the site's front.

Environment: SITE_URL, ISSUER_URL (a realm of Keycloak), REQUESTS_CA_BUNDLE (the authorities of both), and two JSON objects. USERS has the passwords of
`root`, an administrator, `alice`, who is in the group that may come in, and `mallory`, who is in none. CLIENTS has the secrets of the machines: `ci`, which
is in the group, `ci-brief`, whose tokens live for seconds, `ci-others` of another group, and `ci-elsewhere`, whose tokens are for another server. Fails at
the first thing that is not as it has to be.
"""

import base64
import html
import http.client
import json
import os
import re
import ssl
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import requests
from routes import all_routes, included, tricks

SITE = os.environ["SITE_URL"]
ISSUER = os.environ["ISSUER_URL"]
USERS = json.loads(os.environ["USERS"])
CLIENTS = json.loads(os.environ["CLIENTS"])
# Pages and programs of them, what the login is made of, and what has a token of its own, by the beginning of the path.
OPEN = ("/health", "/static-files/", "/oidc/ui", "/login", "/callback", "/providers", "/saml/metadata/", "/slo/", "/scim/v2/")
# nginx answers instead.
REFUSED = "/ajax-api/3.0/mlflow/assistant/"
API = "/api/2.0/mlflow"
EXPERIMENTS = f"{API}/experiments/search?max_results=1"
HTML = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}


def expect(wanted, answer, what):
    assert answer.status_code == wanted, f"{what}: {answer.status_code} instead of {wanted}, {answer.text[:300]!r}"
    return answer


def ask(method, path, who=None, **options):
    """As a machine asks, or with the session of a browser."""
    options = {"allow_redirects": False, "timeout": 60, **options}
    return (who or requests).request(method, SITE + path, **options)


def bearer(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


def log_in(user, start="/login"):
    """A browser goes to the site, is sent to Keycloak, fills in its form, and is sent back. Returns it, and where it ended."""
    browser = requests.Session()
    browser.headers.update(HTML)
    form = browser.get(SITE + start, timeout=60)
    assert form.url.startswith(ISSUER), form.url
    action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', form.text)[1])
    done = browser.post(action, {"username": user, "password": USERS[user]}, timeout=60)
    return browser, done


def token(client):
    """What a machine gets from the realm."""
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": CLIENTS[client]}
    return requests.post(f"{ISSUER}/protocol/openid-connect/token", form, timeout=60).json()["access_token"]


def current(who=None, **options):
    return expect(200, ask("GET", f"{API}/users/current", who, **options), "who one is").json()


def get_token(wanted, who=None, **options):
    """One of the site, for machines that do what a user may."""
    end = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    asked = {"name": f"t{os.urandom(4).hex()}", "expiration": end}
    return expect(wanted, ask("POST", f"{API}/users/current/tokens", who, json=asked, **options), "a token").json()


def check_nobody_comes_in_without_a_login():
    from mlflow_oidc_auth.app import app

    everything = [(method, path) for method, path in all_routes(included(app)) if not path.startswith((REFUSED, *OPEN))]
    assert len(everything) > 700, len(everything)
    # One that writes paths as it likes.
    nobody = http.client.HTTPSConnection(urlsplit(SITE).netloc, context=ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"]), timeout=60)

    def status(method, path):
        try:
            nobody.request(method, path, "" if method == "GET" else "{}", {"Content-Type": "application/json"})
            answer = nobody.getresponse()
        except http.client.RemoteDisconnected:
            # A front that answers before it has the body may close the connection behind that.
            nobody.close()
            return status(method, path)
        return answer.status, answer.read()

    for method, path in everything:
        # The plugin says so of its own for these, to everybody.
        wanted = 403 if path.startswith("/oidc/trash") else 401
        found, body = status(method, path)
        assert found == wanted, f"{method} {path}: {found} instead of {wanted}, {body[:300]!r}"
    # Several lead to the same code.
    for method, path in everything[::7]:
        for trick in tricks(path):
            found, body = status(method, trick)
            assert found >= 400 or (trick.startswith("/health") and len(body) < 50), f"{method} {trick}: {found}, {body[:300]!r}"
    page = ask("GET", "/", headers=HTML)
    assert page.status_code == 302 and page.headers["Location"].removeprefix(SITE) == "/login?next=%2F", page.headers
    for headers in ({"Remote-User": "root"}, {"X-Forwarded-User": "root@example.com"}, {"X-Auth-Request-User": "root"}, {"Cookie": "__Host-mlflow=e30=.x.y"}):
        expect(401, ask("GET", EXPERIMENTS, headers=headers), headers)
    for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/scim/v2/Users"):
        found, body = status("GET", path)
        assert found in (401, 404), f"{path}: {found}, {body[:300]!r}"


def check_groups_decide():
    root, done = log_in("root")
    assert done.url.startswith(SITE), done.url
    said = current(root)
    assert (said["username"], said["is_admin"]) == ("root@example.com", True), said
    alice, _done = log_in("alice")
    said = current(alice)
    assert (said["username"], said["is_admin"]) == ("alice@example.com", False), said
    mallory, done = log_in("mallory")
    assert "error=" in done.url and done.url.startswith(f"{SITE}/oidc/ui/auth"), done.url
    expect(401, ask("GET", EXPERIMENTS, mallory), "mallory")
    made = expect(200, ask("POST", f"{API}/experiments/create", root, json={"name": f"of root {os.urandom(4).hex()}"}), "root makes an experiment").json()
    experiment = made["experiment_id"]
    run = {"experiment_id": experiment, "start_time": 1}
    # The site gives READ to those who have no permission.
    expect(200, ask("GET", f"{API}/experiments/get?experiment_id={experiment}", alice), "alice reads what is root's")
    expect(403, ask("POST", f"{API}/runs/create", alice, json=run), "alice makes a run in what is root's")
    expect(403, ask("POST", f"{API}/users", alice, json={"username": "mallory", "display_name": "m"}), "alice makes a user")
    expect(403, ask("PATCH", f"{API}/users/access-token", alice, json={"username": "root@example.com"}), "alice takes a token of root")


def check_cookies_and_redirects():
    answer = ask("GET", "/login")
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("__host-mlflow=") and {"secure", "httponly", "samesite=lax", "path=/"} <= {*cookie.split("; ")}, cookie
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == [f"{SITE}/callback"] and asked["code_challenge_method"] == ["S256"], asked
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "//evil.example", "X-Forwarded-Proto": "http"}
    for path in ("/login", "/callback?code=x&state=y", "/logout", "/oidc/ui"):
        answer = ask("GET", path, headers={**HTML, **forwarded})
        assert "evil.example" not in json.dumps(dict(answer.headers)), dict(answer.headers)
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/%09/evil.example"):
        _browser, done = log_in("alice", f"/login?next={target}")
        assert f"{done.url}/".startswith(f"{SITE}/"), f"{target}: {done.url}"
    alice, _done = log_in("alice")
    evil = {"Origin": "https://evil.example"}
    expect(403, ask("POST", f"{API}/experiments/search", alice, json={"max_results": 1}, headers=evil), "a page of another site")
    assert ask("POST", f"{API}/users/current/tokens", alice, json={}, headers=evil).status_code == 403


def check_logout():
    alice, _done = log_in("alice")
    stolen = requests.Session()
    stolen.cookies.update(alice.cookies)
    current(stolen)
    answer = ask("GET", "/logout", alice)
    assert answer.status_code == 302 and answer.headers["Location"].startswith(f"{ISSUER}/protocol/openid-connect/logout"), answer.headers
    back = alice.get(answer.headers["Location"], timeout=60)
    assert back.url.startswith(SITE), back.url
    for who in (alice, stolen):
        expect(401, ask("GET", EXPERIMENTS, who), "a session after the logout")
    form = alice.get(f"{SITE}/login", timeout=60)
    assert form.url.startswith(ISSUER), f"Keycloak asks nobody after a logout: {form.url}"


def use(**environment):
    """MLflow's own client makes a run with a metric and an artifact, as a process of its own."""
    program = """
import mlflow, os, tempfile
mlflow.set_experiment(os.environ["EXPERIMENT"])
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1)
    with tempfile.TemporaryDirectory() as folder:
        open(folder + "/a b.txt", "w").write("hers")
        mlflow.log_artifact(folder + "/a b.txt")
assert open(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="a b.txt")).read() == "hers"
assert mlflow.get_run(run.info.run_id).data.metrics == {"m": 1}
"""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(program)
        file.flush()
        values = {**os.environ, "MLFLOW_TRACKING_URI": SITE, "EXPERIMENT": f"of a machine {os.urandom(4).hex()}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        for name in [name for name in values if name.startswith(("OIDC_", "SECRET_", "MLFLOW_BACKEND"))]:
            del values[name]
        status = os.spawnve(os.P_WAIT, os.sys.executable, [os.sys.executable, file.name], {**values, **environment})
    assert status == 0, f"MLflow's client ended with {status}"


def check_machines_have_tokens_of_the_site():
    alice, _done = log_in("alice")
    said = get_token(201, alice)
    login = {"auth": ("alice@example.com", said["token"])}
    assert current(**login)["username"] == "alice@example.com"
    use(MLFLOW_TRACKING_USERNAME="alice@example.com", MLFLOW_TRACKING_PASSWORD=said["token"])
    expect(401, ask("GET", EXPERIMENTS, auth=("root@example.com", said["token"])), "the token of alice for root")
    expect(401, ask("GET", EXPERIMENTS, auth=("alice@example.com", said["token"] + "x")), "another token")
    get_token(403, **login)
    expect(200, ask("DELETE", f"{API}/users/current/tokens/{said['id']}", alice), "alice takes it back")
    expect(401, ask("GET", EXPERIMENTS, **login), "a token that was taken back")
    # An account that is no person's, made by an administrator.
    root, _done = log_in("root")
    robot = f"robot-{os.urandom(4).hex()}"
    expect(201, ask("POST", f"{API}/users", root, json={"username": robot, "display_name": robot, "is_service_account": True}), "root makes an account")
    said = expect(200, ask("PATCH", f"{API}/users/access-token", root, json={"username": robot}), "root makes its token").json()
    use(MLFLOW_TRACKING_USERNAME=robot, MLFLOW_TRACKING_PASSWORD=said["token"])


def check_machines_have_tokens_of_the_realm():
    of_ci = token("ci")
    said = current(**bearer(of_ci))
    assert (said["username"], said["is_admin"]) == ("service-account-ci", False), said
    use(MLFLOW_TRACKING_TOKEN=of_ci)
    head, body, signature = of_ci.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps({**claims, "email": "root@example.com", "preferred_username": "root"}).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    brief = token("ci-brief")
    assert current(**bearer(brief))["username"] == "service-account-ci-brief"
    time.sleep(6)
    for name, wrong in {
        "nonsense": "x",
        "one with other claims": f"{head}.{other}.{signature}",
        "one without a signature": f"{unsigned}.{other}.",
        "for another server": token("ci-elsewhere"),
        "of another group": token("ci-others"),
        "old": brief,
    }.items():
        for path in (EXPERIMENTS, "/api/2.0/mlflow-artifacts/artifacts/x", "/v1/traces"):
            expect(401, ask("GET", path, **bearer(wrong)), f"{path} with a token that is {name}")


def check_requests_do_not_wait_for_each_other():
    """Who reads an artifact slowly, and does so often, is one of them. Nor does one worker take the answers of another's connection to the database."""
    alice, _done = log_in("alice")
    login = {"auth": ("alice@example.com", get_token(201, alice)["token"])}
    made = expect(200, ask("POST", f"{API}/experiments/create", json={"name": f"of alice {os.urandom(4).hex()}"}, **login), "an experiment").json()
    run = {"experiment_id": made["experiment_id"], "start_time": 1}
    place = expect(200, ask("POST", f"{API}/runs/create", json=run, **login), "a run").json()["run"]["info"]["artifact_uri"].partition(":/")[2]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{place}/large"
    expect(200, ask("PUT", path, data=bytes(64 * 1024 * 1024), **login), "a large artifact")
    slow = [ask("GET", path, requests.Session(), stream=True, **login) for _time in range(6)]

    def make_runs(_number):
        session = requests.Session()
        for _time in range(10):
            expect(200, ask("POST", f"{API}/runs/create", session, json=run, **login), "a run")
            assert current(session, **login)["username"] == "alice@example.com"

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(make_runs, range(16)))
    for answer in slow:
        assert len(answer.content) == 64 * 1024 * 1024, "the artifact is short"
    found = ask("POST", f"{API}/runs/search", json={"experiment_ids": [made["experiment_id"]], "max_results": 1000}, **login).json()
    assert len(found["runs"]) == 161, len(found["runs"])


def main():
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
            print(f"{name}: ok", flush=True)


if __name__ == "__main__":
    main()
