# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that works does not do. What it does: molecule/mlflow_db_modules/tests/test_identity.py."""

from __future__ import annotations

import base64
import email.message
import io
import json
import ssl
import urllib.error

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_api
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api import Api, ApiError
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import ensure_user, ensure_workspace

URL = "https://mlflow.example.com/prefix"
NOT_HERE = "<title>404 Not Found</title>"


@pytest.fixture
def server(monkeypatch):
    """Answers as the function says that a test sets, and notes what it was asked."""

    class Server:
        def __init__(self):
            self.asked = []
            self.answers = {}
            self.refused = set()

        def __call__(self, url, data, headers, method, **options):
            assert options["follow_redirects"] == "none"
            assert options["use_netrc"] is False
            place = url.removeprefix(URL)
            self.asked.append((method, place, data and json.loads(data), headers))
            status, text, *location = self.answers.get(place.partition("?")[0], (404, NOT_HERE))
            if headers.get("Authorization") in self.refused:
                status = 401
            if isinstance(status, Exception):
                raise status
            if status != 200:
                found = email.message.Message()
                found["Location"] = "".join(location)
                raise urllib.error.HTTPError(url, status, "", found, io.BytesIO(text.encode()))
            return io.BytesIO(text.encode())

    found = Server()
    monkeypatch.setattr(_mlflow_api, "open_url", found)
    return found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((301, "", "https://elsewhere.example.com/"), ["points to https://elsewhere.example.com/", "set url"]),
        ((200, "<html>"), ["what answers at https://mlflow.example.com/prefix is not MLflow"]),
        ((403, "Invalid Host header - possible DNS rebinding attack detected"), ["Invalid Host header"]),
        ((502, "<h1>Bad Gateway</h1>"), ["Bad Gateway", "HTTP 502"]),
        ((urllib.error.URLError(ssl.SSLCertVerificationError("self-signed")), ""), ["TLS with", "ca_path", "self-signed"]),
        ((ssl.SSLError(1, "TLSV13_ALERT_CERTIFICATE_REQUIRED"), ""), ["TLS with", "client_cert", "CERTIFICATE_REQUIRED"]),
        ((FileNotFoundError(2, "No such file or directory"), ""), ["ca_path, client_cert or client_key cannot be read"]),
        ((TimeoutError("timed out"), ""), ["does not answer: timed out"]),
        # The text of a database with what was to be written.
        (
            (400, json.dumps({"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) x\n[SQL: UPDATE users]\n[parameters: ('scrypt:1$h')]"})),
            ["(sqlite3.IntegrityError) x (HTTP 400)"],
        ),
        (
            (400, json.dumps({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "User (username=a) already exists. Error: (x) ('a', 'scrypt:1$h')"})),
            ["User (username=a) already exists. (HTTP 400)"],
        ),
    ],
)
def test_what_goes_wrong_is_said(server, answer, words):
    server.answers["/api/2.0/mlflow/users/get"] = answer
    with pytest.raises(ApiError) as caught:
        Api(URL, "admin", "a password").user("a")
    text = str(caught.value)
    assert text.startswith("Failed to read the user a: ")
    assert all(word in text for word in words), text
    assert "scrypt" not in text


def test_logins(server):
    server.answers["/api/2.0/mlflow/users/get"] = (200, '{"user": {"is_admin": true}}')

    def sent(**login):
        Api(f"{URL}/", **login).user("a b")
        method, place, _data, headers = server.asked.pop()
        assert (method, place) == ("GET", "/api/2.0/mlflow/users/get?username=a+b")
        return headers.get("Authorization")

    assert sent() is None
    assert sent(login_token="token") == "Bearer token"
    basic = sent(login_user="a", login_password="é:", login_token="token")
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "a:é:"


def test_users_change_their_own_password(server):
    server.answers["/api/2.0/mlflow/users/get"] = (200, '{"user": {"is_admin": false}}')
    server.answers["/api/2.0/mlflow/users/update-password"] = (200, "{}")
    server.refused = {Api._basic("a", "the new password")}
    # MLflow 3.13 and newer ask for the old one.
    ensure_user(Api(URL, "a", "the old password"), "a", "the new password")
    method, _place, data, _headers = server.asked[-1]
    assert (method, data) == ("PATCH", {"username": "a", "password": "the new password", "current_password": "the old password"})
    # A worker takes both for a while.
    server.refused.clear()
    before, after = ensure_user(Api(URL, "a", "the old password"), "a", "the new password")
    assert before == after == {"name": "a", "admin": False}


def test_roles_of_a_server_that_has_none_yet(server):
    server.answers["/api/2.0/mlflow/users/list"] = (200, '{"users": []}')
    server.answers["/version"] = (200, "3.11.0")
    with pytest.raises(ApiError, match=r"MLflow 3\.11\.0 has no roles, 3\.12 and newer have them"):
        Api(URL, "admin", "a password").roles()
    server.answers.clear()
    with pytest.raises(ApiError, match="without MLflow's login application"):
        Api(URL, "admin", "a password").roles()


def test_workspaces_of_a_server_that_does_not_know_them(server):
    with pytest.raises(ApiError, match="of an unknown version has no workspaces"):
        ensure_workspace(Api(URL), "team-a")
    # And of one that takes an option and forgets it.
    path = "/api/3.0/mlflow/workspaces"
    server.answers[f"{path}/team-a"] = (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}')
    server.answers[path] = (200, '{"workspace": {"name": "team-a"}}')
    server.answers["/version"] = (200, "3.12.0")
    with pytest.raises(ApiError, match=r"MLflow 3\.12\.0 does not know or changes these options of the workspace team-a: trace_archival_retention"):
        ensure_workspace(Api(URL), "team-a", trace_archival_retention="30d")
    assert server.asked[-2][2] == {"name": "team-a", "trace_archival_config": {"retention": "30d"}}
