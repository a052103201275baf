"""What a client on another machine, and an intruder in nginx, can and cannot do."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import re
import resource
import secrets
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.no_machine("acme")

NAME = "mlflow.example.com"
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/"


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!unsafe", Loader.construct_scalar)
USERS = yaml.load((Path(__file__).parent.parent / "group_vars" / "target.yml").read_text(), Loader)["nginx_tls_users"]


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


ALICE = basic(USERS[0]["name"], USERS[0]["password"])


class Connection(http.client.HTTPSConnection):
    """To an address, for a name."""

    def __init__(self, address, port, context):
        super().__init__(NAME, port, context=context, timeout=30)
        self.address = address

    def connect(self):
        self.sock = self._context.wrap_socket(socket.create_connection((self.address, self.port), self.timeout), server_hostname=NAME)


class Site:
    def __init__(self, host):
        self.host = host
        facts = host.ansible.get_variables()
        self.address = host.check_output("hostname -I").split()[0]
        self.port = facts.get("nginx_tls_https_port", 443)
        self.ca = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], facts["inventory_hostname"], "ca.crt")
        self.server = "unix" if self.port == 443 else "tcp"

    def context(self, low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(self.ca))
        context.minimum_version, context.maximum_version = low, high
        return context

    def connect(self, **kwargs):
        return Connection(self.address, self.port, self.context(**kwargs))

    def request(self, method, path, headers=None, body=None):
        headers = ALICE if headers is None else headers
        connection = self.connect()
        connection.request(method, path, body, {**({"Host": f"{NAME}:{self.port}"} if self.port != 443 else {}), **headers})
        response = connection.getresponse()
        response.content = response.read()
        connection.close()
        return response

    def json(self, path, headers=None):
        response = self.request("GET", path, headers)
        assert response.status == 200, response.content
        return json.loads(response.content)


@pytest.fixture(scope="module")
def site(host):
    return Site(host)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_is_spoken_and_verified(site, version):
    wanted = ssl.TLSVersion[version]
    connection = site.connect(low=wanted, high=wanted)
    connection.connect()
    assert connection.sock.version() == version.replace("_", ".")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_sessions_are_resumed(site, version):
    context = site.context(low=ssl.TLSVersion[version], high=ssl.TLSVersion[version])
    session = None
    for resumed in (False, True, True):
        with context.wrap_socket(socket.create_connection((site.address, site.port), 10), server_hostname=NAME, session=session) as sock:
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
            while sock.recv(65536):
                pass
            assert sock.session_reused is resumed
            session = sock.session


def test_tls_1_1_is_refused(site):
    context = site.context(low=ssl.TLSVersion.TLSv1_1, high=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        Connection(site.address, site.port, context).connect()


def look(*argv):
    """What a tool of tests/requirements/tls.txt finds."""
    requirements = Path(__file__).parents[3] / "tests/requirements/tls.txt"
    run = [
        str(Path(sys.executable).with_name("uv")),
        "run",
        "--quiet",
        "--no-project",
        "--no-config",
        "--python",
        sys.executable,
        "--with-requirements",
        str(requirements),
    ]
    return subprocess.run([*run, *argv], check=False, capture_output=True, text=True)


def test_what_is_offered_is_what_mozilla_recommends(site):
    """Protocols, ciphers, curves, the certificate and its life, and known holes, as sslyze finds them from outside."""
    words = ["--mozilla_config=intermediate", "--http_headers", f"--certinfo_ca_file={site.ca}", f"--sni={NAME}", f"{site.address}:{site.port}"]
    found = look("sslyze", *words)
    complaints = re.findall(r"^ +[*] (\w+): ", found.stdout.partition("COMPLIANCE AGAINST")[2], re.MULTILINE)
    # The certificate of the second machine has signed itself, and sslyze takes no CA for a server.
    assert complaints == ([] if site.server == "unix" else ["certificate_path_validation"]), found.stdout + found.stderr
    assert ("OK - Compliant." in found.stdout) is (not complaints)
    assert re.search(r"Strict-Transport-Security Header\s+Max Age: +63072000\s", found.stdout)


@pytest.mark.one_machine("debian13")
def test_the_hybrid_key_exchange_is_taken(site):
    said = site.host.check_output(f"openssl s_client -connect {site.address}:{site.port} -servername {NAME} < /dev/null 2> /dev/null")
    assert "X25519MLKEM768" in said


def test_gixy_has_nothing_to_say(site, tmp_path):
    """But that names of servers behind are asked for when nginx starts: those in its variables are of its own upstreams."""
    config = tmp_path / "nginx.conf"
    config.write_text(site.host.check_output("cat /etc/nginx/conf.d/*.conf"))
    found = look("gixy", "--format=json", "--skips=missing_resolver", str(config))
    assert json.loads(found.stdout) == []


def test_http_is_redirected(site):
    connection = http.client.HTTPConnection(site.address, 80, timeout=10)
    connection.request("POST", "/api/2.0/mlflow/runs/create?x=1", headers={"Host": NAME})
    response = connection.getresponse()
    assert response.status == 308
    port = "" if site.port == 443 else f":{site.port}"
    assert response.getheader("Location") == f"https://{NAME}{port}/api/2.0/mlflow/runs/create?x=1"


@pytest.mark.parametrize("user", USERS, ids=lambda user: user["name"])
def test_login(site, user):
    assert site.request("GET", "/", basic(user["name"], user["password"])).status == 200


def assert_login_wanted(response):
    assert response.status == 401
    assert response.getheader("WWW-Authenticate") == 'Basic realm="MLflow"'


@pytest.mark.parametrize("path", ["/", "/health", ARTIFACT + "x", "/api/3.0/mlflow/server-info", "/v1/traces", "/gateway/x", "/static-files/main.c2f5f8d4.js"])
def test_no_way_in_without_login(site, path):
    assert_login_wanted(site.request("GET", path, {}))


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("alice", USERS[1]["password"]), ("nobody", "x"), ("#", "Ansible managed")])
def test_wrong_login_is_refused(site, user, password):
    assert_login_wanted(site.request("GET", "/", basic(user, password)))


@pytest.mark.one_machine("debian13")
def test_fail2ban_as_documented_bans_guessers_alone(site):
    readme = (Path(__file__).parents[3] / "roles/nginx_tls/README.md").read_text()
    jail = re.search(r"```ini\n(.*?)```", readme, re.DOTALL)[1]
    site.host.check_output("apt-get install --yes --no-install-recommends fail2ban nftables python3-systemd")
    site.host.check_output("printf '%%s' %s > /etc/fail2ban/jail.d/mlflow.conf", jail)
    # The bans are written down, and nobody is locked out: that needs a capability which is missing here.
    site.host.check_output("printf '[DEFAULT]\\nbanaction = dummy\\n' > /etc/fail2ban/jail.local; systemctl restart fail2ban")

    def status():
        text = site.host.check_output("fail2ban-client status nginx-http-auth")
        return int(re.search(r"Total failed:\s+(\d+)", text)[1]), re.search(r"Banned IP list:\s*(.*)", text)[1].split()

    def ask(headers):
        with ThreadPoolExecutor(8) as lanes:
            answers = list(lanes.map(lambda _: site.request("GET", "/health", headers).status, range(25)))
        time.sleep(2)
        return answers

    site.host.run("timeout 20 sh -c 'until fail2ban-client ping; do sleep 0.2; done'")
    time.sleep(1)
    failed, banned = status()
    assert banned == []
    assert ask({}) == [401] * 25
    assert ask(ALICE) == [200] * 25
    assert status() == (failed, [])
    assert ask(basic("alice", "guessed")) == [401] * 25
    assert len(status()[1]) == 1
    site.host.check_output("systemctl stop fail2ban")


GUESSES = """
import base64, http.client, ssl, sys
from concurrent.futures import ThreadPoolExecutor
address, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def guess(lane):
    connection = http.client.HTTPSConnection(address, port, context=ssl._create_unverified_context(), timeout=60)
    said = []
    for number in range(10):
        login = base64.b64encode(f"alice:guess-{lane}-{number}".encode()).decode()
        connection.request("GET", "/health", headers={"Host": name, "Authorization": "Basic " + login})
        answer = connection.getresponse()
        answer.read()
        said.append(answer.status)
    return said
with ThreadPoolExecutor(100) as lanes:
    print(*(status for said in lanes.map(guess, range(100)) for status in said))
"""


@pytest.mark.one_machine("debian13")
def test_guessers_do_not_slow_down_who_is_logged_in(site):
    """A thousand wrong passwords in parallel, from the address of one who works."""

    def answers(until):
        taken = []
        while not until(taken):
            start = time.monotonic()
            assert site.request("GET", "/api/2.0/mlflow/experiments/search", ALICE).status == 200
            taken.append(time.monotonic() - start)
        return sorted(taken)

    before = answers(lambda taken: len(taken) >= 30)
    guessing = subprocess.Popen([sys.executable, "-c", GUESSES, site.address, str(site.port), f"{NAME}:{site.port}"], stdout=subprocess.PIPE, text=True)
    during = answers(lambda _taken: guessing.poll() is not None)
    statuses = guessing.communicate()[0].split()
    assert statuses == ["401"] * 1000
    # Each of the guessers waits for a second, ten times.
    assert len(during) > 100
    # A tenth of them may meet the handshakes of a hundred guessers, which take the processor of a small machine.
    assert during[len(during) // 2] < 3 * before[len(before) // 2] + 0.02
    assert during[len(during) * 9 // 10] < 0.5


def test_servers_behind_see_the_public_name_and_no_login(site):
    seen = site.json("/api/2.0/mlflow/experiments/search")
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert seen["server"] == site.server
    assert headers["host"] == (NAME if site.port == 443 else f"{NAME}:{site.port}")
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-for"] and headers["x-real-ip"] == headers["x-forwarded-for"]
    assert "authorization" not in headers


ADDRESSES = "X-Forwarded-For X-Real-IP X-Client-IP X-Cluster-Client-IP True-Client-IP"
NAMES = "X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto X-Forwarded-Scheme X-Forwarded-Server X-Original-Host X-Script-Name"
LOGINS = """X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Forwarded-Access-Token Remote-User X-Remote-User
X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Groups X-Auth-Request-Preferred-Username X-Auth-Request-Access-Token X-Webauth-User"""
REQUESTS = "Forwarded Proxy X-Original-URL X-Original-URI X-Rewrite-URL X-HTTP-Method-Override X-HTTP-Method X-Method-Override"
SPOOFED = dict.fromkeys(f"{ADDRESSES} {NAMES} {LOGINS} {REQUESTS}".split(), "127.0.0.66") | {"X_Forwarded_For": "127.0.0.66"}
# One of each location.
PLACES = ["/", ARTIFACT + "x", "/static-files/main.c2f5f8d4.js", "/static-files/manifest.json", "/api/3.0/mlflow/server-info", "/gateway/x", "/v1/traces"]


@pytest.mark.parametrize("path", PLACES)
def test_servers_behind_hear_nothing_that_the_client_says_of_itself(site, path):
    headers = {name.lower(): value for name, value in site.json(f"{path}?echo", {**ALICE, **SPOOFED})["headers"].items()}
    assert "127.0.0.66" not in str(headers)
    assert headers["x-forwarded-for"] == headers["x-real-ip"]
    assert headers["x-forwarded-host"] == headers["host"] == (NAME if site.port == 443 else f"{NAME}:{site.port}")
    assert (headers["x-forwarded-port"], headers["x-forwarded-proto"]) == (str(site.port), "https")


@pytest.mark.parametrize("name", [NAME.upper(), f"{NAME}:12345", f"{NAME}."])
def test_servers_behind_hear_one_spelling_of_the_name(site, name):
    assert site.json("/", {**ALICE, "Host": name})["headers"]["Host"] == (NAME if site.port == 443 else f"{NAME}:{site.port}")


@pytest.mark.parametrize("name", ["localhost:80@{}", "{}:80@localhost", "{}:x", "{}:443:443", "{}:", "user@{}", "{}, localhost", "{}/x", "x{}", "{}x"])
def test_wrong_spelling_of_the_name_is_refused(site, name):
    headers = {**ALICE, "Host": name.format(NAME)}
    assert site.request("GET", "/", headers).status in (400, 403)
    connection = http.client.HTTPConnection(site.address, 80, timeout=10)
    connection.request("GET", "/", headers=headers)
    assert connection.getresponse().status in (400, 403)


FOREIGN = [
    "http://localhost:3000",
    "http://127.0.0.1",
    "http://[::1]:8080",
    f"http://{NAME}",
    f"https://{NAME}:1",
    f"https://{NAME}.evil.com",
    "https://x",
    "null",
]


@pytest.mark.parametrize("path", PLACES)
def test_pages_of_other_sites_change_nothing(site, path):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for origin in FOREIGN:
            assert site.request(method, path, {**ALICE, "Origin": origin}).status == 403
    own = f"https://{NAME}" if site.port == 443 else f"https://{NAME}:{site.port}"
    assert site.request("POST", path, {**ALICE, "Origin": own}).status == 200
    assert site.request("POST", path).status == 200


@pytest.mark.parametrize("path", PLACES)
def test_servers_behind_give_pages_of_other_sites_nothing(site, path):
    """They answer an origin that they know of with the permission to read."""
    assert "Origin" not in site.json(f"{path}?echo", {**ALICE, "Origin": "http://localhost:3000"})["headers"]


@pytest.mark.parametrize(
    "path", ["assistant", "assistant/", "assistant/config", "%61ssistant/providers", "x/../assistant/x", "/assistant/x", "assistant%2fx", "assistant/x?y"]
)
def test_the_assistant_is_refused(site, path):
    for method in ("GET", "POST"):
        response = site.request(method, f"/ajax-api/3.0/mlflow/{path}")
        assert response.status == 403
        assert b"nginx_tls_assistant_enabled" in response.content
    assert site.request("GET", "/ajax-api/3.0/mlflow/assistants").status == 200


def test_a_question_mark_in_the_name_of_an_artifact_overwrites_no_other(site):
    refused = site.request("PUT", ARTIFACT + "q?m", body=b"other")
    assert refused.status == 400
    assert b"rename the file" in refused.content
    assert site.json("/uploads/q") == {}
    assert site.request("PUT", ARTIFACT + "q%3Fm", body=b"quoted").status == 200


def test_route_goes_to_its_own_server(site):
    # Where there is no route, the only server behind is the same one.
    assert site.json("/v1/traces/x")["server"] == "unix"
    assert site.json("/v2/traces/x")["server"] == site.server


@pytest.mark.parametrize("name", ["evil.example.com", "localhost", "127.0.0.1"])
def test_wrong_host_is_refused(site, name):
    assert site.request("GET", "/", {**ALICE, "Host": name}).status == 403
    connection = http.client.HTTPConnection(site.address, 80, timeout=10)
    connection.request("GET", "/", headers={"Host": name})
    assert connection.getresponse().status == 403


@pytest.mark.parametrize("api", ["api", "ajax-api"])
@pytest.mark.parametrize("encoding", ["identity", "gzip, deflate"])
def test_multipart_is_masked(site, api, encoding):
    info = site.json(f"/{api}/3.0/mlflow/server-info", {**ALICE, "Accept-Encoding": encoding})
    assert info == {"store_type": "SqlStore", "multipart_uploads_enabled": False, "multipart_downloads_enabled": False}


SIZE = 80 << 20


@pytest.mark.parametrize("path", [ARTIFACT + "large.bin", "/ajax-api/2.0/mlflow-artifacts/artifacts/large.bin", "/v1/traces"])
def test_large_uploads_pass(site, path):
    response = site.request("PUT", path, body=os.urandom(SIZE))
    assert response.status == 200, response.content
    assert json.loads(response.content)["size"] == SIZE


def test_large_api_calls_are_refused(site):
    connection = site.connect()
    connection.putrequest("POST", "/api/2.0/mlflow/runs/log-batch")
    connection.putheader("Content-Length", str(SIZE))
    connection.putheader("Authorization", ALICE["Authorization"])
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_uploads_are_not_buffered(site):
    connection = site.connect()
    connection.putrequest("PUT", ARTIFACT + "slow")
    connection.putheader("Content-Length", "200000")
    connection.putheader("Authorization", ALICE["Authorization"])
    connection.endheaders(b"x" * 100000)
    deadline = time.time() + 10
    while not (seen := site.json("/uploads/slow")).get("size"):
        assert time.time() < deadline, "the server behind saw no byte before the upload was complete"
        time.sleep(0.1)
    assert seen["size"] <= 100000
    connection.send(b"x" * 100000)
    response = connection.getresponse()
    assert json.loads(response.read())["size"] == 200000


def test_streamed_answers_are_not_buffered(site):
    connection = site.connect()
    connection.request("GET", "/gateway/stream", headers=ALICE)
    response = connection.getresponse()
    assert response.readline() == b"data: 0\n"
    first = time.time()
    response.readline()
    assert response.readline() == b"data: 1\n"
    assert time.time() - first > 1


def test_slow_readers_and_writers_do_not_reach_the_servers_behind(site):
    """Clients that ask for a file and do not read it, and ones that begin a body and do not end it."""
    clients = [site.connect() for _number in range(40)]
    try:
        for client in clients[:30]:
            client.request("GET", "/get-artifact?path=model.bin", headers={**ALICE, "Accept-Encoding": "identity"})
        wait_until(lambda: site.json("/sending") == 0)
        for i, client in enumerate(clients[30:]):
            client.putrequest("POST", f"/api/2.0/{('mlflow-artifacts/mpu/create', 'mlflow/runs/log-inputs', 'mlflow/upload-artifact')[i % 3]}/half-{i}")
            client.putheader("Content-Length", "1000")
            client.putheader("Authorization", ALICE["Authorization"])
            client.endheaders(b"{")
        time.sleep(0.5)
        assert [site.json(f"/uploads/half-{i}") for i in range(10)] == [{}] * 10
        # Every file is whole: nginx has it.
        assert len(clients[0].getresponse().read()) == 30 << 20
        # The first host has the limit of the role, which nobody meets; the other one of 30.
        wait_until(lambda: site.json("/sending") == 0)
        clients[0].request("GET", "/get-artifact?path=model.bin", headers=ALICE)
        # Its head is there, so it counts.
        clients[0].getresponse()
        assert site.request("GET", "/get-artifact?path=model.bin").status == (200 if site.port == 443 else 429)
        assert site.request("GET", "/").status == 200
    finally:
        for client in clients:
            client.close()


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.one_machine("debian12")
def test_half_sent_requests_do_not_fill_nginx(site):
    """More of them than a worker has connections by the package's configuration. None is kept for long."""
    workers = len(site.host.check_output("pgrep -P $(systemctl show -P MainPID nginx)").split())
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    begun = [socket.create_connection((site.address, port), 10) for port in (site.port, 80) for _number in range(400 * workers)]
    try:
        assert site.request("GET", "/").status == 200
        for connection in (begun[0], begun[-1]):
            connection.settimeout(20)
            assert connection.recv(1) == b""
    finally:
        for connection in begun:
            connection.close()


def test_bodies_have_the_size_that_their_route_needs(site):
    body = b"x" * (200 << 10)
    for path in ("2.0/mlflow/runs/search", "2.0/mlflow/model-versions/search", "3.0/mlflow/traces/search", "2.0mlflow/experiments/search-datasets"):
        assert site.request("POST", f"/api/{path}", body=body).status == 413, path
    assert site.request("POST", "/graphql", body=body).status == 413
    for path in (
        "2.0/mlflow/runs/log-inputs",
        "2.0/mlflow/runs/log-model",
        "3.0/mlflow/datasets/d-1/records",
        "3.0/mlflow/traces",
        "2.0/mlflow/runs/log-batch",
    ):
        assert site.request("POST", f"/api/{path}", body=body).status == 200, path


POLICY = "base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'; script-src 'self'; worker-src 'self' blob:"


def assert_security_headers(response):
    assert response.headers.get_all("Strict-Transport-Security") == ["max-age=63072000"]
    assert response.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert response.headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    assert response.headers.get_all("Content-Security-Policy") == [POLICY]
    assert response.headers.get_all("Cross-Origin-Opener-Policy") == ["same-origin"]
    (permissions,) = response.headers.get_all("Permissions-Policy")
    assert "camera=()" in permissions
    assert "microphone=()" in permissions
    assert response.getheader("Server") == "nginx"


@pytest.mark.parametrize(("path", "headers", "status"), [("/", ALICE, 200), ("/", {}, 401), (ARTIFACT + "x", ALICE, 200), ("/bad%00", ALICE, 400)])
def test_security_headers_are_on_every_answer(site, path, headers, status):
    response = site.request("GET", path, headers)
    assert response.status == status
    assert_security_headers(response)


ANSWERS = [
    "/api/2.0/mlflow/runs/get",
    "/ajax-api/2.0/mlflow/x",
    "/graphql",
    "/v1/traces",
    ARTIFACT + "x",
    "/get-artifact?path=x",
    "/api/3.0/mlflow/server-info",
]


@pytest.mark.parametrize("path", ANSWERS)
def test_answers_of_the_api_are_kept_nowhere(site, path):
    for headers, status in ((ALICE, 200), ({}, 401), ({**ALICE, "Origin": "http://localhost"}, 403)):
        response = site.request("POST" if status == 403 else "GET", path, headers)
        assert response.status == status
        assert response.headers.get_all("Cache-Control") == ["no-store"]
        assert_security_headers(response)


def test_the_page_of_the_ui_keeps_its_own_word_on_caches(site):
    assert site.request("GET", "/").headers.get_all("Cache-Control") == ["max-age=1"]
    assert site.request("GET", "/", {}).headers.get_all("Cache-Control") is None


def ui_file(site, name, **headers):
    """The answer, and how often the server behind was asked by then."""
    response = site.request("GET", f"/static-files/{name}", {**ALICE, **headers})
    assert_security_headers(response)
    assert response.getheader("Expires") is None
    content = gzip.decompress(response.content) if response.getheader("Content-Encoding") == "gzip" else response.content
    return response, int(content.split()[0]) if content else None


def test_ui_files_are_kept(site):
    name = f"static/js/main.{secrets.token_hex(4)}.chunk.js"
    for encoding in ("gzip", "identity", "gzip"):
        response, asked = ui_file(site, name, **{"Accept-Encoding": encoding})
        assert (response.status, asked) == (200, 1)
        assert response.headers.get_all("Cache-Control") == ["private, max-age=31536000, immutable"]
        assert response.getheader("Content-Encoding") == ("gzip" if encoding == "gzip" else None)
        assert len(response.content) < 1000 or encoding == "identity"
    response, _unused = ui_file(site, name, **{"If-None-Match": response.getheader("ETag")})
    assert (response.status, response.getheader("Cache-Control")) == (304, "private, max-age=31536000, immutable")
    assert_login_wanted(site.request("GET", f"/static-files/{name}", {}))
    assert_login_wanted(site.request("GET", f"/static-files/{name}", basic("alice", "wrong")))


def test_ui_files_without_a_hash_are_asked_for_anew(site):
    name = f"manifest-{secrets.token_hex(4)}.json"
    for times in (1, 2):
        response, asked = ui_file(site, name, **{"Accept-Encoding": "gzip"})
        assert (response.status, asked) == (200, times)
        assert response.headers.get_all("Cache-Control") == ["no-cache"]
    response, _unused = ui_file(site, name, **{"If-None-Match": response.getheader("ETag")})
    assert (response.status, response.getheader("Cache-Control")) == (304, "no-cache")


def test_missing_ui_files_are_not_kept(site):
    name = f"static/js/missing.{secrets.token_hex(4)}.js"
    for times in (1, 2):
        response, asked = ui_file(site, name)
        assert (response.status, asked) == (404, times)
        assert response.headers.get_all("Cache-Control") == ["no-cache"]


def test_http2_is_offered(site):
    context = site.context()
    context.set_alpn_protocols(["h2"])
    connection = Connection(site.address, site.port, context)
    connection.connect()
    assert connection.sock.selected_alpn_protocol() == "h2"


def test_sandbox(site):
    host = site.host
    pid = host.check_output("systemctl show -P MainPID nginx")
    inside = f"nsenter --target {pid} --mount --"
    for path in ("/etc/nginx/x", "/usr/x", "/var/lib/x", "/root/x"):
        refused = host.run(f"{inside} touch {path}")
        assert refused.rc != 0 and "Read-only file system" in refused.stderr
    host.check_output(f"{inside} touch /var/log/nginx/x")
    status = host.check_output(f"cat /proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    # No CAP_SYS_ADMIN (bit 21), which the container has.
    assert not int(status.split("CapBnd:\t")[1].split()[0], 16) >> 21 & 1


def test_sandboxed_service_reloads_and_reopens_its_logs(site):
    host = site.host
    workers = host.check_output("pgrep -P $(systemctl show -P MainPID nginx)")
    host.check_output("systemctl reload nginx")
    deadline = time.time() + 10
    while set(host.check_output("pgrep -P $(systemctl show -P MainPID nginx)").split()) & set(workers.split()):
        assert time.time() < deadline, "the old workers stayed"
        time.sleep(0.2)
    host.check_output("mv /var/log/nginx/mlflow.access.log /var/log/nginx/mlflow.access.log.1 && nginx -s reopen && sleep 1")
    assert site.request("GET", "/after-rotation").status == 200
    assert "/after-rotation" in host.check_output("cat /var/log/nginx/mlflow.access.log")


def test_logins_are_for_root_and_nginx_only(site):
    users = site.host.file("/etc/nginx/mlflow.users")
    assert (users.user, users.group, users.mode) == ("root", "www-data", 0o640)
    assert users.content_string.count(":$6$rounds=1000$") == len(USERS)
    key = site.host.file("/etc/ssl/nginx_tls/mlflow.key")
    assert (key.user, key.mode) == ("root", 0o600)


def test_no_password_anywhere(site):
    host = site.host
    secrets = [user["password"] for user in USERS]
    hashing = host.check_output("grep -h 'passwd -6' /var/log/openssl-calls")
    places = {
        "openssl's arguments": hashing,
        "journal": host.check_output("journalctl --no-pager -o cat"),
        "process list": host.check_output("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '"),
        "configuration": host.check_output("nginx -T 2>&1"),
        "logins": host.check_output("cat /etc/nginx/mlflow.users"),
        "logs": host.run("zcat --force /var/log/nginx/*.log*").stdout_bytes.decode(errors="replace"),
    }
    assert "Invoked with" in places["journal"], "the journal must have seen Ansible's modules"
    for place, text in places.items():
        for secret in secrets:
            assert secret not in text, place
