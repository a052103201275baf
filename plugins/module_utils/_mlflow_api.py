# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The REST API of a tracking server, without MLflow."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import typing as t
import urllib.error
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import open_url

# The one that is always there, also in a server without workspaces.
DEFAULT_WORKSPACE = "default"
# For a path that the server has no answer for.
NO_ROUTE = "NO_ROUTE"
DISABLED = "FEATURE_DISABLED"
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
# What MLflow up to 3.16 made its first administrator with.
SHIPPED_PASSWORD = "password1234"  # noqa: S105 - everybody knows it


# MLflow keeps what it grants to single users in roles of such names.
OWN_ROLE = "__user_"

State = dict[str, t.Any]


class ApiError(Exception):
    """A call failed, or what is wanted cannot be; the text says which one and why."""

    def __init__(self, message: str, status: int = 0, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Api:
    """One server and one login."""

    def __init__(
        self,
        url: str,
        login_user: str | None = None,
        login_password: str | None = None,
        login_token: str | None = None,
        ca_path: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
        validate_certs: bool = True,
        timeout: int = 60,
        unix_socket: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ApiError(f"url must look like https://mlflow.example.com, not {url!r}")
        if "@" in parts.netloc:
            raise ApiError("url must not hold a login: use login_user and login_password")
        self.url = url.rstrip("/")
        self.login_user = login_user
        self.login_password = login_password
        self._authorization = f"Bearer {login_token}" if login_token else None
        if login_user is not None and login_password is not None:
            self._authorization = self._basic(login_user, login_password)
        self._workspace = DEFAULT_WORKSPACE
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._options = {"ca_path": ca_path, "client_cert": client_cert, "client_key": client_key, "validate_certs": validate_certs, "timeout": timeout}
        self._options["unix_socket"] = unix_socket

    @staticmethod
    def _basic(user: str, password: str) -> str:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def enter(self, workspace: str) -> None:
        """Let what follows happen in this workspace."""
        self._workspace = workspace

    def log_in(self, user: str, password: str) -> None:
        """Let what follows be done by this user."""
        self.login_user, self.login_password = user, password
        self._authorization = self._basic(user, password)

    def accepts(self, user: str, password: str) -> bool:
        """Whether a user can log in with a password."""
        try:
            self._call(f"try the password of {user}", "GET", "2.0/mlflow/users/get", {"username": user}, None, self._basic(user, password))
        except ApiError as exc:
            if exc.status != 401:
                raise
            return False
        return True

    def get(self, action: str, path: str, **parameters: str) -> t.Any:
        return self._call(action, "GET", path, parameters, None, self._authorization)

    def send(self, action: str, method: str, path: str, **content: t.Any) -> t.Any:
        return self._call(action, method, path, {}, content, self._authorization)

    def user(self, name: str) -> State | None:
        """The user as the server tells it, None where there is none."""
        try:
            user: State = self.get(f"read the user {name}", "2.0/mlflow/users/get", username=name)["user"]
        except ApiError as exc:
            if exc.code == NOT_FOUND:
                return None
            raise self._need_login_application(exc) from exc
        return user

    def users(self) -> list[State]:
        """All users as the server tells them: up to MLflow 3.12 their names and ids, then their roles as well."""
        try:
            users: list[State] = self.get("list the users", "2.0/mlflow/users/list")["users"]
        except ApiError as exc:
            raise self._need_login_application(exc) from exc
        return users

    def _need_login_application(self, exc: ApiError) -> ApiError:
        if exc.code != NO_ROUTE:
            return exc
        text = f"{exc}: it runs without MLflow's login application (mlflow server --app-name basic-auth), or is no MLflow. Without it there are no users"
        return ApiError(text, exc.status, exc.code)

    def roles(self, workspace: str | None = None) -> list[State]:
        """The roles of a workspace or of all, with their permissions, but for those that stand for a user."""
        try:
            roles = self.get("list the roles", "3.0/mlflow/roles/list", **({"workspace": workspace} if workspace else {}))["roles"]
        except ApiError as exc:
            if exc.code != NO_ROUTE:
                raise
            # Where there are users, the server is one that has no roles yet.
            self.users()
            raise ApiError(f"MLflow {self.version()} has no roles, 3.12 and newer have them", exc.status, exc.code) from exc
        return [role for role in roles if not role["name"].startswith(OWN_ROLE)]

    def role(self, name: str, workspace: str) -> State | None:
        return next((role for role in self.roles(workspace) if role["name"] == name), None)

    def roles_of_user(self, name: str) -> list[State]:
        """The roles of a user in all workspaces; none where the server has no roles."""
        try:
            roles: list[State] = self.get(f"read the roles of {name}", "3.0/mlflow/users/roles/list", username=name)["roles"]
        except ApiError as exc:
            if exc.code != NO_ROUTE:
                raise
            return []
        return roles

    def version(self) -> str:
        """The server's version, for an error text."""
        try:
            text = self._fetch("ask for the version", "GET", "/version", None, self._authorization)
        except ApiError:
            text = ""
        return text if re.fullmatch(r"[\w.]{1,30}", text) else "of an unknown version"

    def _call(self, action: str, method: str, path: str, parameters: dict[str, str], content: t.Any, authorization: str | None) -> t.Any:
        query = f"?{urlencode(parameters)}" if parameters else ""
        text = self._fetch(action, method, f"/api/{path}{query}", content, authorization)
        try:
            return json.loads(text) if text else {}
        except ValueError as exc:
            raise ApiError(f"Failed to {action}: what answers at {self.url} is not MLflow") from exc

    def _fetch(self, action: str, method: str, place: str, content: t.Any, authorization: str | None) -> str:
        headers = dict(self._headers)
        if authorization:
            headers["Authorization"] = authorization
        if self._workspace != DEFAULT_WORKSPACE:
            headers["X-MLFLOW-WORKSPACE"] = self._workspace
        data = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(content)
        try:
            # A redirect leads elsewhere, and the login is not for others.
            with open_url(self.url + place, data, headers, method, follow_redirects="none", use_netrc=False, http_agent="ansible", **self._options) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                raise self._refusal(action, exc.code, exc.read().decode(errors="replace"), exc.headers.get("Location")) from exc
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as exc:
            raise self._silence(action, exc) from exc

    def _silence(self, action: str, exc: Exception) -> ApiError:
        """What to say where no answer came."""
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        cause = f"{self.url} does not answer: {reason}"
        if isinstance(reason, ssl.SSLError):
            cause = (
                f"TLS with {self.url} failed: {reason}. Does ca_path hold the authority of its certificate, does the certificate name the host,"
                " and does the server ask for a client_cert?"
            )
        elif isinstance(reason, (FileNotFoundError, PermissionError)):
            cause = f"ca_path, client_cert or client_key cannot be read: {reason}"
        return ApiError(f"Failed to {action}: {cause}")

    def _refusal(self, action: str, status: int, body: str, location: str | None) -> ApiError:
        try:
            answer = json.loads(body)
            # Without the statement of the database that may follow, with hashes of passwords in it.
            code, cause = answer["error_code"], re.split(r" Error: \(|\n\[SQL: ", answer["message"])[0]
            if cause == f"Workspace '{self._workspace}' not found":
                # Not what was asked for, but where.
                code = "NO_WORKSPACE"
        except (ValueError, TypeError, KeyError, AttributeError):
            code, cause = None, body.strip()[:200]
            if status == 404:
                code, cause = NO_ROUTE, f"what answers at {self.url} does not know this call"
            elif 300 <= status < 400:
                cause = f"the server points to {location}: set url to the address that it is reached by"
            elif status == 401:
                cause = self._no_login()
            elif status == 403 and cause == "Permission denied":
                cause = f"{self.login_user or 'who has this login'} has no right to do this, an administrator has"
            elif "without workspaces" in cause:
                code, cause = DISABLED, "the server runs without workspaces, MLflow 3.10 or newer has them with --enable-workspaces"
        return ApiError(f"Failed to {action}: {cause} (HTTP {status})", status, code)

    def _no_login(self) -> str:
        if not self._authorization:
            return "the server asks for a login: set login_user and login_password"
        if self.login_password == SHIPPED_PASSWORD:
            return (
                f"the password of {self.login_user} is another one, or is refused because everybody knows it: set MLFLOW_AUTH_ADMIN_PASSWORD on the server"
                " to a new one and restart it once"
            )
        return f"the server does not take the login{f' of {self.login_user}' if self.login_user else ''}"
