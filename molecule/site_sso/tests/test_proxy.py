"""The way in `proxy`: who comes in through nginx and oauth2-proxy, and who does not."""

import json
import re

import pytest
from conftest import ISSUER, SCENARIO

ROOT = SCENARIO.parent.parent
SHARED = SCENARIO.parent / "shared"
# Until the site works again.
WAIT = """
import time
machine, limit = token("ci"), time.time() + 60
while (status := by_token(machine)[0]) != 200:
    assert time.time() < limit, status
    time.sleep(0.5)
print("null")
"""


def test_a_machine_works_with_a_token(visit):
    """MLflow's own client, with nothing but MLFLOW_TRACKING_TOKEN."""
    code = """
os.environ.update(MLFLOW_TRACKING_URI=SITE, MLFLOW_TRACKING_SERVER_CERT_PATH=CA, MLFLOW_TRACKING_TOKEN=token("ci"), MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
import pathlib, mlflow
client = mlflow.MlflowClient()
experiment = client.create_experiment("by a machine " + os.urandom(4).hex())
run = client.create_run(experiment).info.run_id
client.log_metric(run, "loss", 0.25)
pathlib.Path("/tmp/big.bin").write_bytes(os.urandom(70 * 2**20))
client.log_artifact(run, "/tmp/big.bin")
there = pathlib.Path(client.download_artifacts(run, "big.bin", "/tmp")).read_bytes()
print(json.dumps([client.get_run(run).data.metrics, there == pathlib.Path("/tmp/big.bin").read_bytes(), len(there)]))
"""
    # Larger than what nginx takes of other requests, and so of the one that asks.
    assert visit(code) == [{"loss": 0.25}, True, 70 * 2**20]


TOKENS = """
good = token("ci")
head, body, signature = good.split(".")
other = {**said(good), "groups": ["mlflow-admin"]}
forged = base64.urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
brief = token("ci-brief")
tokens = {
    "good": good,
    "for somebody else": token("ci-elsewhere"),
    "of another group": token("ci-others"),
    "with another content": f"{head}.{forged}.{signature}",
    "with another signature": f"{head}.{body}.{signature[:-8]}AAAAAAAA",
    "unsigned": f"{unsigned}.{body}.",
    "of nobody": "x",
    "empty": "",
}
answers = {name: by_token(text)[0] for name, text in tokens.items()}
answers["brief"] = by_token(brief)[0]
import time
time.sleep(max(0, said(brief)["exp"] - time.time() + 1))
answers["expired"] = by_token(brief)[0]
answers["good again"] = by_token(good)[0]
answers["as a password"] = ask(SEARCH, Authorization="Basic " + base64.b64encode(f"ci:{good}".encode()).decode())[0]
print(json.dumps(answers))
"""


def test_only_tokens_that_count_let_in(visit):
    answers = visit(TOKENS)
    let_in = {"good", "brief", "good again", "as a password"}
    assert {name: status for name, status in answers.items() if status != 401} == dict.fromkeys(let_in, 200)


def test_a_job_outlives_its_token(visit):
    """MLflow's client takes what the environment holds by then."""
    code = """
import time
os.environ.update(MLFLOW_TRACKING_URI=SITE, MLFLOW_TRACKING_SERVER_CERT_PATH=CA, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
import mlflow
client, answers = mlflow.MlflowClient(), []
def search():
    try:
        return len(client.search_experiments(max_results=1))
    except mlflow.MlflowException as exc:
        return exc.get_http_status_code() if "401" not in str(exc) else 401
os.environ["MLFLOW_TRACKING_TOKEN"] = token("ci-brief")
answers.append(search())
time.sleep(7)
answers.append(search())
os.environ["MLFLOW_TRACKING_TOKEN"] = token("ci-brief")
answers.append(search())
print(json.dumps(answers))
"""
    assert visit(code) == [1, 401, 1]


def test_programs_are_told_401_and_browsers_are_led_to_the_login(visit):
    code = """
pages, programs = {"Accept": "text/html,*/*"}, {"Accept": "*/*"}
print(json.dumps({
    "page": ask("/", **pages), "page with a query": ask("/?a=1&b=2", **pages), "script": ask("/", **programs), "api": ask(SEARCH, **pages),
    "graphql": ask("/graphql", **pages), "post": ask("/", "POST", **pages), "picture": ask("/static-files/favicon.ico", **programs),
    "health": ask("/health"), "auth": ask("/oauth2/auth", **pages), "auth by token": by_token(token("ci"), "/oauth2/auth"),
}))
"""
    answers = visit(code)
    for name in ("page", "page with a query"):
        status, location, _body = answers[name]
        assert status == 302
        assert location.startswith("https://site-sso-keycloak:8443/realms/mlops/protocol/openid-connect/auth?")
        assert "code_challenge_method=S256" in location
    for name in ("script", "api", "graphql", "post", "picture", "health"):
        assert answers[name][:2] == [401, ""], name
    # Nobody asks it but nginx.
    assert answers["auth"][0] == 404
    assert answers["auth by token"][0] == 404


def test_people_come_in_by_their_groups(visit):
    code = """
answers = {}
for user in ("alice", "root", "mallory"):
    browser = Browser()
    page = browser.log_in(user, "/?from=here&and=there")
    answers[user] = [page.status_code, page.url, browser.fetch().status_code, bool(browser.session())]
print(json.dumps(answers))
"""
    answers = visit(code)
    for user in ("alice", "root"):
        assert answers[user] == [200, "https://site-sso/?from=here&and=there", 200, True]
    assert answers["mallory"][0] == 403
    assert answers["mallory"][2:] == [401, False]


def test_a_cookie_that_was_made_up_or_changed_is_none(visit):
    code = """
browser = Browser()
browser.log_in("alice")
session = browser.session()
def status(cookies):
    return ask(SEARCH, Cookie="; ".join(f"{name}={value}" for name, value in cookies.items()))[0]
changed = {name: value[:40] + ("A" if value[40] != "A" else "B") + value[41:] for name, value in session.items()}
print(json.dumps([status(session), status(changed), status({"_oauth2_proxy": "x"}), status(dict(list(session.items())[1:]))]))
"""
    assert visit(code) == [200, 401, 401, 401]


def test_a_logout_ends_the_session_here_and_at_the_provider(visit):
    """And so a copy of the cookie, when it has to be renewed."""
    code = """
import time
browser = Browser()
browser.log_in("alice")
copy = browser.session()
before = browser.fetch().status_code
left = browser.get(SITE + "/oauth2/sign_out", timeout=60, allow_redirects=False)
gone = browser.fetch().status_code
# The provider does not know her any more: it shows the form, in place of leading back.
form = browser.page("/")
limit, copied = time.time() + 60, 200
while copied == 200 and time.time() < limit:
    time.sleep(2)
    copied = ask(SEARCH, Cookie="; ".join(f"{name}={value}" for name, value in copy.items()))[0]
print(json.dumps([before, left.status_code, left.headers["Location"], gone, form.url.startswith(ISSUER), "kc-form-login" in form.text, copied]))
"""
    assert visit(code) == [200, 302, "/", 401, True, True, 401]


@pytest.mark.parametrize(("user", "cookies"), [("alice", 1), ("busy", 2)])
def test_a_session_is_renewed_when_its_token_has_expired(visit, user, cookies):
    """Tokens of the site live 20 seconds in this scenario, sessions are renewed after 5. The browser gets what it needs from answers of the API."""
    code = """
import time
browser = Browser()
browser.log_in(os.environ["THE_USER"])
first, answers = browser.session(), []
for _time in range(3):
    time.sleep(8)
    answer = browser.fetch()
    answers.append([answer.status_code, "Set-Cookie" in answer.headers])
attributes = next(cookie for cookie in browser.cookies if cookie.name in first)
renewed = [first[name] != value for name, value in browser.session().items()]
print(json.dumps([answers, len(first), renewed, attributes.secure, attributes.path, attributes.expires > time.time() + 3600,
                  attributes.has_nonstandard_attr("HttpOnly")]))
"""
    answers, *rest = visit(code, THE_USER=user)
    assert answers == [[200, True]] * 3
    assert rest == [cookies, [True] * cookies, True, "/", True, True]


def test_headers_of_clients_open_nothing_and_reach_nobody(visit):
    """What programs behind a proxy may believe, and what oauth2-proxy would."""
    code = """
names = ["X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username", "X-Forwarded-User", "X-Forwarded-Groups",
         "X-Forwarded-Email", "Remote-User", "X-Remote-User"]
posing = dict.fromkeys(names, "root") | dict.fromkeys(("X-Forwarded-For", "X-Real-IP"), "127.0.0.1")
posing |= {"X-Forwarded-Uri": "/oauth2/static/", "X-Original-URI": "/health"}
ask_as = lambda **headers: requests.get(SITE + SEARCH, headers={**posing, **headers}, timeout=60).status_code
led = requests.get(SITE + "/oauth2/start", headers={"X-Forwarded-Host": "evil.example.com", "X-Auth-Request-Redirect": "https://evil.example.com/"},
                   timeout=60, allow_redirects=False)
bounced = requests.get(SITE + "/oauth2/sign_out?rd=https://evil.example.com/", timeout=60, allow_redirects=False)
print(json.dumps([ask_as(), ask_as(Authorization="Bearer " + token("ci")), led.headers["Location"], bounced.headers["Location"]]))
"""
    refused, let_in, led, bounced = visit(code)
    assert (refused, let_in) == (401, 200)
    assert "redirect_uri=https%3A%2F%2Fsite-sso%2Foauth2%2Fcallback" in led
    assert "evil" not in led + bounced


def test_a_person_with_a_real_browser(visit, at_provider):
    made = visit("""
import time
login = {"Authorization": "Bearer " + token("ci")}
api = lambda path, body: requests.post(f"{SITE}/api/2.0/mlflow/{path}", json=body, headers=login, timeout=60, verify=CA).json()
experiment = api("experiments/create", {"name": "for a browser " + os.urandom(4).hex()})["experiment_id"]
now = int(time.time() * 1000)
run = api("runs/create", {"experiment_id": experiment, "run_name": "seen-by-a-browser", "start_time": now})["run"]["info"]["run_id"]
api("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.25, "timestamp": now})
print(json.dumps(experiment))
""")
    at_provider("sh", "-s", "/root/cas.crt", stdin=(SHARED / "trust.sh").read_text())
    env = {
        "SITE_URL": "https://site-sso",
        "PERSON": "alice",
        "PASSWORD": "alice of the tests",
        "EXPERIMENT": made,
        "RUN": "seen-by-a-browser",
        "PYTHONPATH": "/root",
    }
    at_provider("sh", "-c", "cat > /root/browser.py", stdin=(SHARED / "site_tests/browser.py").read_text())
    program = (SCENARIO / "input/browse.py").read_text()
    found = json.loads(at_provider("timeout", "300", "/opt/browser/bin/python", "-", stdin=program, env=env).splitlines()[-1])
    assert found["led_to"] == found["after_logout"] == f"{ISSUER}/protocol/openid-connect/auth"
    assert ["_oauth2_proxy", True, True, "Lax"] in found["cookies"]
    # The assistant is refused on every site, and MLflow itself lacks a file.
    login = re.compile(r"401|: 403$|Refused|BLOCKED|Content Security|CORS")
    assert [words for words in found["complaints"] if login.search(words) and "/assistant/" not in words] == []


ROUTES = """
import http.client, json, os, ssl, sys
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, "/root")
from routes import all_routes, tricks
context = ssl.create_default_context(cafile="/root/site.crt")
everything = all_routes()

def ask(method, path, connection):
    connection.request(method, path, None if method == "GET" else "{}", {"Content-Type": "application/json", "Host": "site-sso"})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Location"), answer.read()

def wrong(part):
    connection, found = http.client.HTTPSConnection("site-sso", context=context, timeout=60), []
    for method, path in everything[part::4]:
        status, location, body = ask(method, path, connection)
        if status != 401 and not (status == 403 and "/assistant/" in path):
            found.append([method, path, status, location])
    for method, path in everything[part * 7::28]:
        for trick in tricks(path):
            status, location, body = ask(method, trick, connection)
            if status < 400:
                found.append([method, trick, status, location])
    return found

with ThreadPoolExecutor(4) as threads:
    print(json.dumps([len(everything), [one for found in threads.map(wrong, range(4)) for one in found]]))
"""


def test_no_route_of_mlflow_is_open_however_it_is_written(on_site):
    on_site("sh", "-c", "cat > /root/routes.py", stdin=(ROOT / "molecule/shared/routes.py").read_text())
    on_site("sh", "-c", "cp /etc/ssl/nginx_tls/mlflow-ca.crt /root/site.crt")
    known, wrong = json.loads(on_site("/opt/mlflow/current/bin/python", "-W", "ignore", "-", stdin=ROUTES).splitlines()[-1])
    assert known > 350
    assert wrong == []


def test_mlflow_gets_neither_token_nor_session(visit, on_site):
    """A server in MLflow's place hears what nginx says."""
    listener = """
import http.server, json, socketserver, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(sorted((name.lower(), value) for name, value in self.headers.items())).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def address_string(self): return "nginx"
class Server(socketserver.ThreadingUnixStreamServer): pass
os.path.exists("/run/mlflow/mlflow.sock") and os.unlink("/run/mlflow/mlflow.sock")
server = Server("/run/mlflow/mlflow.sock", Handler)
os.chmod("/run/mlflow/mlflow.sock", 0o666)
server.serve_forever()
"""
    on_site("systemctl", "stop", "mlflow")
    try:
        on_site("mkdir", "-p", "/run/mlflow")
        on_site("chmod", "755", "/run/mlflow")
        on_site("systemd-run", "--unit=listener", "--quiet", "python3", "-c", listener)
        code = """
import time
time.sleep(1)
browser = Browser()
browser.log_in("alice")
print(json.dumps([json.loads(by_token(token("ci"), "/version", X_Forwarded_User="root", Cookie="other=1")[2]), json.loads(browser.fetch("/version").text)]))
"""
        for heard in visit(code):
            names = {name for name, _value in heard}
            assert "x-forwarded-for" in names
            assert names & {"authorization", "cookie", "x-forwarded-user", "x-auth-request-user", "x-auth-request-redirect", "x-forwarded-uri"} == set()
            assert not re.search("eyJ|_oauth2_proxy", json.dumps(heard))
    finally:
        on_site("systemctl", "stop", "listener")
        on_site("rm", "-rf", "/run/mlflow")
        on_site("systemctl", "start", "mlflow")
        visit(WAIT)


def test_without_the_program_nobody_comes_in(visit, on_site):
    code = """
print(json.dumps([by_token(token("ci"))[0], ask("/", Accept="text/html")[0], ask(SEARCH)[0]]))
"""
    on_site("systemctl", "stop", "oauth2-proxy")
    try:
        assert visit(code) == [500, 500, 500]
    finally:
        on_site("systemctl", "start", "oauth2-proxy")
    visit(WAIT)


@pytest.mark.parametrize("secret", ["secret of mlflow, for the tests", "Y29va2llcyBvZiAzMiBieXRlcywgZm9yIHRlc3RzLi4="])
def test_secrets_stay_in_one_file(on_site, secret):
    found = on_site("sh", "-c", f"grep -rlF '{secret}' /etc /opt/oauth2-proxy /var/log /run/systemd 2>/dev/null || true").split()
    assert found == ["/etc/oauth2-proxy/oauth2-proxy.env"]
    assert on_site("stat", "--format=%a %U", *found).split() == ["600", "root"]
    assert secret not in on_site("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
    assert secret not in on_site("journalctl", "--no-pager", "--unit=oauth2-proxy", "--unit=nginx")


def test_the_program_is_confined_and_reached_by_nginx_alone(on_site):
    assert on_site("stat", "--format=%A %U %G", "/run/oauth2-proxy", "/run/oauth2-proxy/oauth2-proxy.sock").splitlines() == [
        "drwxr-x--- oauth2-proxy oauth2-proxy",
        "srw-rw---- oauth2-proxy oauth2-proxy",
    ]
    assert "oauth2-proxy" in on_site("id", "-Gn", "www-data").split()
    assert "oauth2" not in on_site("ss", "-Hltnp")
    exposure = on_site("systemd-analyze", "security", "--no-pager", "oauth2-proxy").splitlines()[-1]
    assert float(re.search(r"([0-9.]+) (OK|MEDIUM)", exposure)[1]) < 2.0, exposure
