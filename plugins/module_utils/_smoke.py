# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What a user does with a tracking server, done once through the public URL with MLflow's own client."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import hashlib
import os
import signal
import socket
import tempfile
import time
import typing as t
import urllib.parse
import uuid

from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_places import SMOKE_TEST

# What every database can answer: an experiment that is always there does not exist, `mlflow gc` may remove any.
LOGIN_PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
# What the role nginx_tls answers by the name of the store to who asks for no file of the bucket.
STORE_ANSWER = (403, "Only the artifacts are here.")
# Seconds for an address that takes a moment.
STORE_PATIENCE = 10


class SmokeError(Exception):
    """A step failed; the text names the step and the cause."""


class _TimeLimitError(Exception):
    pass


@contextlib.contextmanager
def _time_limit(seconds: int) -> t.Iterator[None]:
    def expire(signum: int, frame: object) -> t.NoReturn:
        raise _TimeLimitError(f"not finished within {seconds} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def fetch_token(issuer_url: str, client: tuple[str, str], ca_file: str | None, timeout: int) -> str:
    """A token that a machine gets of a provider of OpenID Connect for itself."""
    import requests

    with requests.Session() as http:
        http.verify = ca_file or True
        try:
            found = http.get(f"{issuer_url.rstrip('/')}/.well-known/openid-configuration", timeout=timeout)
            found.raise_for_status()
            wanted = {"grant_type": "client_credentials", "client_id": client[0], "client_secret": client[1]}
            answer = http.post(found.json()["token_endpoint"], data=wanted, timeout=timeout)
            if answer.status_code != 200:
                raise SmokeError(f"{issuer_url} gives {client[0]} no token: HTTP {answer.status_code}, {answer.text[:200]}")
            return str(answer.json()["access_token"])
        except (requests.RequestException, ValueError, KeyError) as exc:
            raise SmokeError(f"{issuer_url} gives no token: {type(exc).__name__}: {exc}") from exc


def configure_client(
    uri: str,
    username: str | None,
    password: str | None,
    ca_file: str | None,
    timeout: int,
    client_cert_file: str | None = None,
    token: str | None = None,
    s3: dict[str, str] | None = None,
) -> None:
    """Set up MLflow's client by its environment. To be called before MLflow is imported."""
    os.environ.update(MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_TIMEOUT=str(timeout), MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true")
    if username is not None and password is not None:
        os.environ.update(MLFLOW_TRACKING_USERNAME=username, MLFLOW_TRACKING_PASSWORD=password)
    if ca_file:
        os.environ.update(MLFLOW_TRACKING_SERVER_CERT_PATH=ca_file, REQUESTS_CA_BUNDLE=ca_file)
    if s3:
        os.environ.update(MLFLOW_S3_ENDPOINT_URL=s3["endpoint_url"], AWS_ACCESS_KEY_ID=s3["access_key_id"], AWS_SECRET_ACCESS_KEY=s3["secret_access_key"])
        if ca_file:
            os.environ["AWS_CA_BUNDLE"] = ca_file
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        os.environ.pop(name, None)
    if client_cert_file:
        os.environ["MLFLOW_TRACKING_CLIENT_CERT_PATH"] = client_cert_file
    if token is not None:
        os.environ.update(MLFLOW_TRACKING_TOKEN=token)


def check_store(url: str, ca_file: str | None) -> None:
    """The name by which clients reach the store leads to the nginx of the site. Found out at once; clients would try again for minutes."""
    import requests

    host, port = urllib.parse.urlsplit(url).hostname or "", urllib.parse.urlsplit(url).port or 443
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as exc:
        raise SmokeError(
            f"{host}, the name of the store, does not resolve on {socket.gethostname()} ({exc}). Let it lead to the host of nginx, there and for clients"
        ) from exc
    name = f"{host}, the name of the store, leads to {address} port {port}"
    try:
        with requests.Session() as http:
            http.trust_env = False
            answer = http.get(f"{url}/", verify=ca_file or True, timeout=STORE_PATIENCE, allow_redirects=False)
    except requests.exceptions.SSLError as exc:
        raise SmokeError(
            f"{name}, whose certificate is not one that clients trust for this name. Let it lead to the host of nginx, or give that one: {exc}"
        ) from exc
    except requests.RequestException as exc:
        raise SmokeError(f"{name}, where no web server answers. Let it lead to the host of nginx, and the port through its packet filter: {exc}") from exc
    if (answer.status_code, answer.text.strip()) != STORE_ANSWER:
        raise SmokeError(f"{name}, where something else answers than the store by nginx of the site: HTTP {answer.status_code}, {answer.text[:100]!r}")


def _authorizations(username: str | None, password: str | None, token: str | None) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The header of the login, and those that are to be refused, by what they are."""

    def basic(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}

    if token is not None:
        return {"Authorization": f"Bearer {token}"}, {"without a token": {}, "with a wrong token": {"Authorization": f"Bearer {token}wrong"}}
    if username is not None and password is not None:
        return basic(password), {"without a password": {}, "with a wrong password": basic(f"{password}-wrong")}
    return {}, {}


class SmokeTest:
    """Runs the steps, each within a time limit in seconds, and removes what they made."""

    def __init__(
        self,
        uri: str,
        username: str | None,
        password: str | None,
        ca_file: str | None,
        timeout: int,
        artifact_bytes: int,
        token: str | None = None,
        client_cert_file: str | None = None,
        store_url: str | None = None,
    ) -> None:
        import requests

        self.uri = uri
        self.store_url = store_url
        self.ca_file = ca_file
        self.origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(uri))
        self.login, wrong = _authorizations(username, password, token)
        self.timeout = timeout
        self.artifact_bytes = artifact_bytes
        self.http, stranger = requests.Session(), requests.Session()
        self.http.cert = client_cert_file
        for session in (self.http, stranger):
            session.trust_env = False
            session.verify = ca_file or True
        # Whoever refuses logins takes its time. Meanwhile MLflow is imported.
        if client_cert_file:
            wrong = {"without a certificate": {}}
        self.refusal = 403 if client_cert_file else 401
        pool = concurrent.futures.ThreadPoolExecutor(2)
        self.refusals = {words: pool.submit(self._request, "GET", LOGIN_PATH, header, stranger) for words, header in wrong.items()}
        pool.shutdown(wait=False)
        import mlflow

        self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.name = f"{SMOKE_TEST}{uuid.uuid4()}"
        self.seconds: dict[str, float] = {}
        self._undo: list[tuple[str, t.Callable[[], object]]] = []

    def run(self) -> dict[str, float]:
        """Do all steps; returns the seconds that each took, by name."""
        error: SmokeError | None = None
        steps: list[tuple[str, t.Callable[[], None]]] = [
            ("store", self.check_store),
            ("login", self.check_login),
            ("origin", self.check_origin),
            ("run", self.log_run),
            ("artifact", self.move_artifact),
            ("model", self.register_model),
        ]
        try:
            for name, step in steps:
                self._timed(name, step)
        except SmokeError as exc:
            error = exc
        for name, undo in reversed(self._undo):
            try:
                self._timed(name, undo)
            except SmokeError as exc:
                error = error or exc
        if error:
            raise error
        return self.seconds

    def _timed(self, name: str, step: t.Callable[[], object]) -> None:
        start = time.monotonic()
        try:
            with _time_limit(self.timeout):
                step()
        except Exception as exc:
            cause = str(exc) if isinstance(exc, (SmokeError, _TimeLimitError)) else f"{type(exc).__name__}: {exc}"
            first: BaseException = exc
            while earlier := first.__cause__ or first.__context__:
                first = earlier
            # MLflow's client says that a path is wrong where a name does not lead to a server.
            if str(first) not in cause:
                cause += f" (first came {type(first).__name__}: {first})"
            raise SmokeError(f"Smoke test of {self.uri} failed at step '{name}': {cause}") from exc
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - start, 3)

    def _request(self, method: str, path: str, headers: dict[str, str], http: t.Any = None, **options: t.Any) -> t.Any:
        return (http or self.http).request(method, f"{self.uri}{path}", headers=headers, timeout=self.timeout, **options)

    def check_store(self) -> None:
        """Clients that move artifacts themselves reach the store."""
        if self.store_url:
            check_store(self.store_url, self.ca_file)

    def check_login(self) -> None:
        """The API answers over verified TLS with the login, and refuses without it."""
        answer = self._request("GET", LOGIN_PATH, self.login)
        if answer.status_code != 200:
            raise SmokeError(f"HTTP {answer.status_code} instead of 200: {answer.text[:200]}")
        for words, refusal in self.refusals.items():
            if refusal.result().status_code != self.refusal:
                raise SmokeError(f"HTTP {refusal.result().status_code} instead of {self.refusal} {words}")

    def check_origin(self) -> None:
        """The browser's own requests pass the cross-origin check."""
        answer = self._request("POST", "/ajax-api/2.0/mlflow/experiments/search", {**self.login, "Origin": self.origin}, json={"max_results": 1})
        if answer.status_code != 200:
            raise SmokeError(f"HTTP {answer.status_code} for a POST with Origin {self.origin}: {answer.text[:200]}")

    def log_run(self) -> None:
        """An experiment with a run, a parameter and a metric, read back."""
        experiment_id = self.client.create_experiment(self.name)
        self._undo.append(("remove", lambda: self.client.delete_experiment(experiment_id)))
        self.run_id = self.client.create_run(experiment_id).info.run_id
        self._undo.append(("remove", lambda: self.client.delete_run(self.run_id)))
        self.client.log_param(self.run_id, "alpha", "0.5")
        self.client.log_metric(self.run_id, "rmse", 0.25)
        run = self.client.get_run(self.run_id)
        if run.data.params != {"alpha": "0.5"} or run.data.metrics != {"rmse": 0.25}:
            raise SmokeError(f"the run came back as {run.data.params} {run.data.metrics}")

    def move_artifact(self) -> None:
        """An artifact up and down, equal by SHA-256."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        content = os.urandom(self.artifact_bytes)
        with tempfile.TemporaryDirectory() as work:
            source = os.path.join(work, "smoke.bin")
            with open(source, "wb") as file:
                file.write(content)
            repository = get_artifact_repository(self.client.get_run(self.run_id).info.artifact_uri)
            self._undo.append(("remove", lambda: repository.delete_artifacts("smoke.bin")))
            self.client.log_artifact(self.run_id, source)
            target = os.path.join(work, "down")
            os.mkdir(target)
            with open(self.client.download_artifacts(self.run_id, "smoke.bin", target), "rb") as file:
                returned = file.read()
        if hashlib.sha256(returned).digest() != hashlib.sha256(content).digest():
            raise SmokeError(f"the artifact came back different ({len(returned)} of {len(content)} bytes)")

    def register_model(self) -> None:
        """A registered model with a version."""
        self.client.create_registered_model(self.name)
        self._undo.append(("remove", lambda: self.client.delete_registered_model(self.name)))
        version = self.client.create_model_version(self.name, f"runs:/{self.run_id}/smoke.bin", self.run_id)
        if self.client.get_model_version(self.name, version.version).run_id != self.run_id:
            raise SmokeError("the model version does not name its run")
