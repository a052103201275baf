"""What a web server in front gets of an artifact, with stand-ins for MLflow and boto3."""

from __future__ import annotations

import asyncio

import pytest

PATH = "/api/2.0/mlflow-artifacts/artifacts/a"


@pytest.fixture(name="handover")
def fixture_handover(server_file):
    return server_file("plugins/mlops_mlflow_handover.py")


class Store:
    """As much of boto3's client as is asked for."""

    def generate_presigned_url(self, action, Params, ExpiresIn):
        return f"http://store:9000/{Params['Bucket']}/{Params['Key']}?{action}&{ExpiresIn}"


class MLflow:
    """Signs, where it is asked for an artifact, and answers with a status; under WSGI and ASGI."""

    def __init__(self, handover, status=200, key="k"):
        self.handover, self.status, self.key, self.seen = handover, status, key, []

    def work(self, method):
        order = self.handover.ORDER.get()
        if order and self.status == 200:
            order.client = Store()
            if method == "PUT":
                order.upload_file("a", Bucket="b", Key=self.key, ExtraArgs={"ContentType": "text/plain"})
            else:
                order.download_file("b", "k")

    def wsgi(self, environ, start_response):
        self.seen.append((environ["REQUEST_METHOD"], environ["wsgi.input"].read()))
        self.work(environ["REQUEST_METHOD"])
        start_response(f"{self.status} Words", [("A", "b")])
        return [b"{}"]

    async def asgi(self, scope, receive, send):
        self.seen.append((scope["method"], (await receive())["body"]))
        self.work(scope["method"])
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"{}"})


class Body:
    """What a client would send, and MLflow would take, if it were asked to."""

    def read(self):
        return b"content"


def call_wsgi(handover, mlflow, method, asked):
    answer = {}

    def start(status, headers):
        answer.update(status=int(status[:3]), headers=dict(headers))

    environ = {"REQUEST_METHOD": method, "wsgi.input": Body(), **({"HTTP_X_MLOPS_HANDOVER": "yes"} if asked else {})}
    assert handover.Wsgi(mlflow.wsgi)(environ, start) == [b"{}"]
    return answer["status"], {name.lower(): value for name, value in answer["headers"].items()}


def call_asgi(handover, mlflow, method, asked):
    sent = []

    async def receive():
        # nginx sends no body with its question.
        return {"type": "http.request", "body": b"" if asked else b"content"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": PATH, "headers": [(b"x-mlops-handover", b"yes")] if asked else []}
    asyncio.run(handover.Asgi(mlflow.asgi)(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.fixture(name="call", params=[call_wsgi, call_asgi])
def fixture_call(request, handover):
    def call(mlflow, method, asked=True):
        answer = request.param(handover, mlflow, method, asked)
        assert handover.ORDER.get() is None
        return answer

    return call


@pytest.mark.parametrize(("method", "action"), [("GET", "get_object"), ("HEAD", "head_object")])
def test_a_download_leads_to_the_store(handover, call, method, action):
    status, headers = call(MLflow(handover), method)
    assert (status, headers["x-mlops-address"], headers["x-accel-redirect"]) == (200, f"/b/k?{action}&300", "@artifact_download")


def test_an_upload_is_asked_for_without_its_body(handover, call):
    mlflow = MLflow(handover)
    status, headers = call(mlflow, "POST")
    assert mlflow.seen == [("PUT", b"")]
    assert (status, headers["x-mlops-address"], headers["x-mlops-content-type"], headers["x-mlops-content-encoding"]) == (
        200,
        "/b/k?put_object&300",
        "text/plain",
        "",
    )
    assert "x-accel-redirect" not in headers


@pytest.mark.parametrize(("said", "heard"), [(400, 403), (401, 401), (403, 403), (404, 403), (429, 403), (500, 500), (503, 503)])
def test_a_refused_upload_is_one_that_nginx_understands(handover, call, said, heard):
    status, headers = call(MLflow(handover, said), "POST")
    assert status == heard
    assert "x-mlops-address" not in headers


@pytest.mark.parametrize("key", ["a/", "a//b", "/a"])
def test_what_names_no_file_is_refused(handover, call, key):
    """MLflow's client cuts off what follows a #: of the file `#1` it sends the folder."""
    status, headers = call(MLflow(handover, key=key), "POST")
    assert status == 403
    assert "x-mlops-address" not in headers


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refused_download_is_the_answer(handover, call, status):
    assert call(MLflow(handover, status), "GET") == (status, {"a": "b"})


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_who_does_not_ask_for_it_gets_what_mlflow_says(handover, call, method):
    mlflow = MLflow(handover)
    assert call(mlflow, method, asked=False) == (200, {"a": "b"})
    assert mlflow.seen == [(method, b"content")]
