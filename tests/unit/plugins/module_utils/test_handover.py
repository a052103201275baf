"""What a web server in front gets of an artifact, with stand-ins for MLflow and boto3."""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading

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
        if isinstance(order, self.handover.Order) and self.status == 200:
            order.client = Store()
            if method == "PUT":
                order.upload_file("a", Bucket="b", Key=self.key, ExtraArgs={"ContentType": "text/plain"})
            else:
                order.download_file("b", "k", {})

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

    environ = {"REQUEST_METHOD": method, "PATH_INFO": PATH, "wsgi.input": Body(), **({"HTTP_X_MLOPS_HANDOVER": "yes"} if asked else {})}
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


CONTENT = bytes(range(256)) * 5000


@pytest.mark.parametrize("headers", [[(b"x-mlops-handover", b"yes")], []])
def test_no_order_is_left_for_the_next_request_of_a_connection(handover, headers):
    """What uvicorn calls for that has the context of the answer to the last one. An upload would be signed, and not stored."""
    contexts, seen = [], []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        contexts.append(contextvars.copy_context())

    async def note(scope, receive, send):
        seen.append(handover.ORDER.get())

    first = {"type": "http", "method": "GET", "path": PATH, "headers": headers}
    asyncio.run(handover.Asgi(MLflow(handover).asgi)(first, receive, send))
    assert contexts[-1][handover.ORDER] is not None
    contexts[-1].run(asyncio.run, handover.Asgi(note)({**first, "method": "PUT", "headers": []}, receive, send))
    assert seen == [None]


class Opened(io.BytesIO):
    """The body of an object, which breaks off where it is told to, and may wait for somebody to go."""

    def __init__(self, breaks_at=None, waits_at=None):
        super().__init__(CONTENT)
        self.breaks_at, self.waits_at, self.go_on, self.reads = breaks_at, waits_at, threading.Event(), 0

    def read(self, size):
        if self.tell() == self.breaks_at:
            raise ConnectionError("the store is gone")
        if self.tell() == self.waits_at:
            self.go_on.wait(10)
        self.reads += 1
        return super().read(size)


class Sends:
    """MLflow with a file in the store: answers for the empty one that the order leaves, in several messages, and reads other files for itself."""

    def __init__(self, handover, opened=None, status=200):
        self.handover, self.opened, self.status, self.asked = handover, opened or Opened(), status, []

    def get_object(self, Bucket, Key):
        return {"Body": self.opened, "ContentLength": len(CONTENT)}

    def head_object(self, Bucket, Key):
        return {"ContentLength": len(CONTENT)}

    def work(self, asked):
        self.asked.append(asked)
        order = self.handover.ORDER.get()
        if order is None:
            return b"read"
        order.client = self
        order.download_file("b", "k", {})
        return b""

    def wsgi(self, environ, start_response):
        body = self.work(environ.get("HTTP_RANGE"))
        start_response(f"{self.status} Words", [("Content-Length", str(len(body))), ("A", "b")])
        return [body]

    async def asgi(self, scope, receive, send):
        body = await asyncio.to_thread(self.work, dict(scope["headers"]).get(b"range"))
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-length", str(len(body)).encode()), (b"a", b"b")]})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def fetch_wsgi(handover, mlflow, path, method="GET"):
    answer = {}
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_RANGE": "bytes=5-"}
    body = handover.Wsgi(mlflow.wsgi)(environ, lambda status, headers: answer.update(status=int(status[:3]), headers=headers))
    content = b"".join(body)
    return answer["status"], {name.lower(): value for name, value in answer["headers"]}, content


def fetch_asgi(handover, mlflow, path, method="GET", send=None):
    sent = []

    async def keep(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"range", b"bytes=5-")]}
    asyncio.run(handover.Asgi(mlflow.asgi)(scope, None, send or keep))
    assert [bool(message.get("more_body")) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, b"".join(message["body"] for message in sent[1:])


@pytest.fixture(name="fetch", params=[fetch_wsgi, fetch_asgi])
def fixture_fetch(request, handover):
    return lambda *arguments: request.param(handover, *arguments)


@pytest.mark.parametrize("path", [PATH, "/mlflow/ajax-api/2.0/mlflow-artifacts/artifacts/a/b", "/get-artifact", "/model-versions/get-artifact"])
def test_a_download_comes_from_the_store_in_chunks(handover, fetch, path):
    mlflow = Sends(handover)
    status, headers, content = fetch(mlflow, path)
    assert (status, headers, content) == (200, {"a": "b", "content-length": str(len(CONTENT))}, CONTENT)
    assert mlflow.opened.closed
    assert mlflow.opened.reads == len(CONTENT) // handover.CHUNK + 2
    assert mlflow.asked == [None], "a part of the empty file was asked for"


def test_who_asks_for_the_head_alone_gets_the_length(handover, fetch):
    mlflow = Sends(handover)
    assert fetch(mlflow, PATH, "HEAD") == (200, {"a": "b", "content-length": str(len(CONTENT))}, b"")
    assert mlflow.opened.reads == 0


@pytest.mark.parametrize(
    ("path", "method"), [("/ajax-api/3.0/mlflow/get-trace-artifact", "GET"), ("/api/2.0/mlflow-artifacts/artifacts", "GET"), (PATH, "DELETE")]
)
def test_what_mlflow_reads_for_itself_is_no_stream(handover, fetch, path, method):
    mlflow = Sends(handover)
    assert fetch(mlflow, path, method)[2] == b"read"
    assert mlflow.opened.reads == 0


def test_an_error_after_the_file_was_opened_is_the_answer(handover, fetch):
    mlflow = Sends(handover, status=500)
    status, headers, content = fetch(mlflow, PATH)
    assert (status, headers["content-length"], content) == (500, "0", b"")
    assert mlflow.opened.closed


def test_a_store_that_breaks_off_ends_in_an_error(handover, fetch):
    """The server closes the connection then, and the client misses what the length has said."""
    mlflow = Sends(handover, Opened(breaks_at=handover.CHUNK))
    with pytest.raises(ConnectionError):
        fetch(mlflow, PATH)
    assert mlflow.opened.closed


def test_a_client_that_goes_closes_the_file_and_waits_for_nobody(handover):
    """As Starlette does it: what it sends is cancelled, here while the next chunk comes in."""
    mlflow = Sends(handover, Opened(waits_at=handover.CHUNK))

    async def leave():
        first = asyncio.Event()

        async def send(message):
            if message.get("body"):
                first.set()

        scope = {"type": "http", "method": "GET", "path": PATH, "headers": []}
        task = asyncio.create_task(handover.Asgi(mlflow.asgi)(scope, None, send))
        await first.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
        mlflow.opened.go_on.set()

    asyncio.run(leave())
    assert mlflow.opened.closed
    assert mlflow.opened.reads == 2
