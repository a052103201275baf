"""What an attacker tries at the edge of the finished site, with the site's own login: as a user, or as a page in a user's browser."""

import json
import os

import pytest

# Status, headers in lower case, and the body of an answer; SITE in a header stands for the public name.
ATTACK = """
import base64, http.client, json, os, ssl
name = os.environ["MLFLOW_TRACKING_URI"].removeprefix("https://")
login = os.environ["MLFLOW_TRACKING_USERNAME"] + ":" + os.environ["MLFLOW_TRACKING_PASSWORD"]
context = ssl.create_default_context(cafile="/root/ca.crt")

def attack(method, path, headers, body=None):
    connection = http.client.HTTPSConnection(name, context=context, timeout=30)
    given = {"Host": name, "Authorization": "Basic " + base64.b64encode(login.encode()).decode(), "Content-Type": "application/json"}
    connection.request(method, path, body, {**given, **{key: value.replace("SITE", name) for key, value in headers.items()}})
    answer = connection.getresponse()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read(10000).decode(errors="replace")

"""
ASSISTANT = "/ajax-api/3.0/mlflow/assistant/"
SEARCH = "/api/2.0/mlflow/experiments/search"


@pytest.fixture
def attack(client):
    """Make some requests from the client's machine."""

    def run(*requests):
        output = client(f"{ATTACK}\nprint(json.dumps([attack(*request) for request in json.loads({json.dumps(requests)!r})]))").stdout
        return json.loads(output)

    return run


@pytest.mark.parametrize("path", ["providers/claude_code/health", "providers/ollama/models?base_url=http://127.0.0.1:9000", "config", "%63onfig"])
def test_posing_as_the_machine_itself_does_not_open_the_assistant(attack, path):
    headers = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "X-Client-IP"), "127.0.0.1") | {"Forwarded": "for=127.0.0.1"}
    for status, said, body in attack(("GET", ASSISTANT + path, {}), ("GET", ASSISTANT + path, headers), ("PUT", ASSISTANT + path, headers, "{}")):
        assert status == 403
        # The front's own word: the server behind was not asked.
        assert said["content-type"] == "text/plain"
        assert "nginx_tls_assistant_enabled" in body


def test_other_names_in_the_host_header_are_refused(attack):
    spellings = ["localhost:80@evil", "SITE:80@evil.example.com", "SITE:443:80", "SITE:x", "evil.example.com"]
    answers = attack(*(("GET", SEARCH + "?max_results=1", {"Host": spelling}) for spelling in spellings))
    assert [status for status, _headers, _body in answers] == [403, 400, 400, 400, 403]


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://evil.example.com", "null"])
def test_pages_of_other_sites_cannot_use_the_login(attack, origin):
    search = json.dumps({"max_results": 1})
    refused, preflight, read = attack(
        ("POST", SEARCH, {"Origin": origin}, search),
        ("OPTIONS", SEARCH, {"Origin": origin, "Access-Control-Request-Method": "POST"}),
        ("GET", SEARCH + "?max_results=1", {"Origin": origin}),
    )
    assert refused[0] == 403
    assert read[0] == 200
    for _status, headers, _body in (refused, preflight, read):
        # MLflow may name the site's own pages, and nobody else.
        assert headers.get("access-control-allow-origin") in (None, f"https://{os.environ['SITE_PUBLIC_NAME']}")
    # Programs and the site's own pages may.
    for headers in ({}, {"Origin": "https://SITE"}):
        ((status, _headers, body),) = attack(("POST", SEARCH, headers, search))
        assert status == 200, body


def test_answers_tell_browsers_what_they_may_do(attack):
    page, answer = attack(("GET", "/", {}), ("GET", SEARCH + "?max_results=1", {}))
    for status, headers, _body in (page, answer):
        assert status == 200
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
    assert answer[1]["cache-control"] == "no-store"
