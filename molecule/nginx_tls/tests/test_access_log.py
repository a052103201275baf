"""Who did what: what the log of the site says, and what it never holds."""

from __future__ import annotations

import datetime
import http.client
import json
import secrets
import time

import pytest
from test_nginx_tls import ALICE, ARTIFACT, NAME, USERS, Site, basic

pytestmark = pytest.mark.no_machine("acme")

LOG = "/var/log/nginx/mlflow.access.log"
FIELDS = {
    "time": str,
    "request_id": str,
    "address": str,
    "user": str,
    "claimed_user": str,
    "method": str,
    "host": str,
    "path": str,
    "protocol": str,
    "status": int,
    "bytes_received": int,
    "bytes_sent": int,
    "seconds": float,
    "upstream_seconds": str,
    "upstream": str,
    "agent": str,
}


@pytest.fixture(scope="module")
def site(host):
    return Site(host)


@pytest.fixture
def agent():
    """A word by which the lines of one test are found."""
    return f"test-{secrets.token_hex(8)}"


def lines(site, word):
    """What was logged with this word, each line a JSON object of the same fields. Whoever reads it sees the whole file as UTF-8."""
    # Written once the answer is out.
    time.sleep(0.5)
    found = [json.loads(line) for line in site.host.file(LOG).content.decode().splitlines() if word in line]
    for line in found:
        assert {name: type(value) for name, value in line.items()} == FIELDS
    return found


def raw(site, request):
    """The answer to these bytes."""
    connection = site.connect()
    connection.connect()
    connection.sock.sendall(request)
    answer = b""
    while data := connection.sock.recv(65536):
        answer += data
    return answer


def test_a_request_is_a_line_of_json(site, agent):
    site.request("PUT", ARTIFACT + "logged", {**ALICE, "User-Agent": agent}, body=b"x" * 5000)
    (line,) = lines(site, agent)
    assert abs(datetime.datetime.fromisoformat(line["time"]) - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert len(line["request_id"]) == 32
    said = {name: line[name] for name in ("user", "claimed_user", "method", "path", "protocol", "status", "agent")}
    assert said == {
        "user": "alice",
        "claimed_user": "",
        "method": "PUT",
        "path": ARTIFACT + "logged",
        "protocol": "HTTP/1.1",
        "status": 200,
        "agent": agent,
    }
    assert line["host"].split(":")[0] == NAME
    assert line["bytes_received"] > 5000
    assert float(line["upstream_seconds"]) <= line["seconds"] + 0.01


@pytest.mark.parametrize(
    ("path", "headers", "status", "user", "claimed"),
    [
        ("/", basic(USERS[1]["name"], USERS[1]["password"]), 200, USERS[1]["name"], ""),
        # From the cache, without a question to the server behind.
        ("/static-files/logged.c2f5f8d4.js", ALICE, 200, "alice", ""),
        ("/", {}, 401, "", ""),
        ("/", basic("alice", "wrong"), 401, "", "alice"),
        # Refused before anybody looks at the password.
        ("/ajax-api/3.0/mlflow/assistant/x", basic("alice", "wrong"), 403, "", "alice"),
        ("/", {**basic("alice", "wrong"), "Host": "evil.example.com"}, 403, "", "alice"),
        ("/", {"Authorization": "Bearer a-token"}, 401, "", ""),
        ("/", basic("é\nx", "wrong"), 401, "", ""),
    ],
)
def test_only_whom_nginx_let_in_is_a_user(site, agent, path, headers, status, user, claimed):
    for _times in range(2):
        assert site.request("GET", path, {**headers, "User-Agent": agent}).status == status
    assert [(line["user"], line["claimed_user"], line["status"]) for line in lines(site, agent)] == [(user, claimed, status)] * 2


def test_no_query_and_no_credentials_are_written(site, agent):
    secret = secrets.token_hex(16)
    headers = {"User-Agent": agent, "Referer": f"https://{NAME}/?code={secret}", "Cookie": f"session={secret}", "X-Token": secret}
    for login in (ALICE, basic("alice", secret), {"Authorization": f"Bearer {secret}"}):
        site.request("GET", f"/oauth2/callback?code={secret}&X-Amz-Signature={secret}", {**headers, **login})
        site.request("GET", f"/?code={secret}", {**headers, **login, "Host": "evil.example.com"})
    connection = http.client.HTTPConnection(site.address, 80, timeout=10)
    connection.request("GET", f"/oauth2/callback?code={secret}", headers={"Host": NAME, **headers})
    assert connection.getresponse().status == 308
    assert {line["path"] for line in lines(site, agent)} == {"/oauth2/callback", "/"}
    assert len(lines(site, agent)) == 7
    # nginx's own words at a refused login have the request line, and the name in it.
    # Its other lines may hold what is no UTF-8.
    logs = {name: site.host.run(f"cat /var/log/nginx/*{name}.log").stdout_bytes for name in ("access", "error")}
    assert secret.encode() not in logs["access"]
    assert USERS[0]["password"].encode() not in logs["access"] + logs["error"]


HOSTILE = [
    b'GET /%(agent)s"},{"user":"root HTTP/1.1\r\nHost: %(host)s\r\n',
    b'GET / HTTP/1.1\r\nHost: %(host)s\r\nUser-Agent: %(agent)s"}\\",\x01\x1b[31m\t\x7f\r\n',
    b"GET / HTTP/1.1\r\nHost: %(host)s\r\nUser-Agent: %(agent)s\xff\xfe\xc3\x28\r\n",
    b"GET /%(agent)s\xff\xc3( HTTP/1.1\r\nHost: %(host)s\r\n",
    b"GET /%(agent)s%%0a%%22%%ff HTTP/1.1\r\nHost: %(host)s\r\n",
    b'GET / HTTP/1.1\r\nHost: %(host)s"\xff\r\nUser-Agent: %(agent)s\r\n',
    b"GET / HTTP/1.1\r\nHost: %(host)s\r\nAuthorization: Basic Iv8iCnJvb3QieDp4\r\nUser-Agent: %(agent)s\r\n",
    b"GET / HTTP/1.1\r\nHost: %(host)s\r\nAuthorization: Basic ImFcIgpyb290IjoiLCJ4Og==\r\nUser-Agent: %(agent)s\r\n",
    b"%(agent)s\x00\xff\r\n",
]


@pytest.mark.parametrize("request_bytes", HOSTILE)
def test_no_client_breaks_a_line(site, agent, request_bytes):
    before = int(site.host.check_output(f"wc --lines < {LOG}"))
    raw(site, request_bytes % {b"agent": agent.encode(), b"host": NAME.encode()} + b"Connection: close\r\n\r\n")
    time.sleep(0.5)
    added = site.host.file(LOG).content.decode().splitlines()[before:]
    assert len(added) == 1
    line = json.loads(added[0])
    assert {name: type(value) for name, value in line.items()} == FIELDS
    assert "root" not in (line["user"], line["claimed_user"])


def test_checks_that_went_well_are_not_written(site, agent):
    for headers in (ALICE, basic("alice", "wrong")):
        site.request("GET", "/health", {**headers, "User-Agent": agent})
    assert [line["status"] for line in lines(site, agent)] == [401]
    # Of a site that nginx did not know yet the digest was asked in vain.
    assert 200 not in [line["status"] for line in lines(site, "nginx_tls_configuration")]


def test_it_is_rotated_and_for_administrators_only(site, agent):
    site.host.check_output("logrotate --force /etc/logrotate.d/nginx && sleep 1")
    site.request("GET", "/", {**ALICE, "User-Agent": agent})
    log = site.host.file(LOG)
    assert len(log.content_string.splitlines()) == len(lines(site, agent)) == 1
    assert (log.user, log.group, log.mode) == ("www-data", "adm", 0o640)
