"""Sends an artifact as it comes from the store, or lets a web server in front move it by itself: MLflow says whether, and where the artifact is.

MLflow fetches a file as a whole before it sends the first byte of it. Here the repository only opens it, MLflow answers for an empty file of that name,
and the content takes the place of that.

The front asks for that with a header, and the answer has the address for one request to the store. It asks for an upload by POST and without the body:
a server that does not know of this refuses that, in place of storing nothing. A download is answered by X-Accel-Redirect to a place of the front.
MLflow's routes and its login stay as they are: it works on an order of its request, which the repository for S3 fulfils instead of moving bytes.
"""

import asyncio
import collections
import contextlib
import contextvars
import io
import re
import threading
from urllib.parse import urlsplit

HEADER = "X-Mlops-Handover"
PLACE = "@artifact_download"
# Seconds in which the front has to begin.
LIFETIME = 300
ORDER = contextvars.ContextVar("order", default=None)
# What MLflow sends as it is in the store. It fetches other files to read them.
SENT = re.compile("/mlflow-artifacts/artifacts/.|/(?:model-versions/)?get-artifact$")
# What MLflow says of the empty file.
UNTRUE = ("accept-ranges", "content-length", "etag", "last-modified")
# Two of them are in memory: one that is sent, and one that comes in meanwhile.
CHUNK = 512 * 1024


class Order:
    """Takes the place of boto3's client for one request, and signs an address for what that would do."""

    def __init__(self, method):
        self.client = None
        self.is_upload = method == "POST"
        self._download = "head_object" if method == "HEAD" else "get_object"
        self._signed = []

    def upload_file(self, Filename, Bucket, Key, ExtraArgs):
        # No name of a file. Flask does not look, as it would have to write one.
        if not all(Key.split("/")):
            return
        self._sign("put_object", {"Bucket": Bucket, "Key": Key, **ExtraArgs})
        # They are part of the signature.
        self._signed += [("X-Mlops-Content-Type", ExtraArgs.get("ContentType", "")), ("X-Mlops-Content-Encoding", ExtraArgs.get("ContentEncoding", ""))]

    def download_file(self, bucket, key, _owner):
        self._sign(self._download, {"Bucket": bucket, "Key": key})
        self._signed.append(("X-Accel-Redirect", PLACE))

    def _sign(self, action, parameters):
        address = urlsplit(self.client.generate_presigned_url(action, Params=parameters, ExpiresIn=LIFETIME))
        self._signed = [("X-Mlops-Address", f"{address.path}?{address.query}")]

    def answer(self, status):
        """The status for the front, and what it gets besides the headers of MLflow. To its question of an upload nginx knows the answers yes, 401 and 403."""
        if self.is_upload and status != 401 and (400 <= status < 500 or (status < 400 and not self._signed)):
            return 403, []
        return status, self._signed if status < 400 else []


class Stream:
    """Takes the place of boto3's client for one download, and opens what that would fetch."""

    def __init__(self, method):
        self.client = None
        self._is_head = method == "HEAD"
        self._content = None
        self._length = None
        self._reading = threading.Lock()

    def download_file(self, bucket, key, owner):
        found = (self.client.head_object if self._is_head else self.client.get_object)(Bucket=bucket, Key=key, **owner)
        self._content, self._length = found.get("Body"), found["ContentLength"]

    def takes(self, status):
        """Whether the content is the answer: not that of an error, or of somebody else."""
        if status != 200:
            self.close()
            self._length = None
        return self._length is not None

    def headers(self, headers):
        """Those of the empty file, with the length of this one."""
        return [*((name, value) for name, value in headers if name.lower() not in UNTRUE), ("Content-Length", str(self._length))]

    def read(self):
        with self._reading:
            return self._content.read(CHUNK) if self._content else b""

    def close(self):
        """When nobody reads any more: a client may go while a chunk comes in."""
        with self._reading:
            if self._content:
                self._content.close()
            self._content = None

    def chunks(self):
        try:
            while chunk := self.read():
                yield chunk
        finally:
            self.close()

    async def pass_on(self, send):
        """A thread is taken while a chunk comes in, not while it is sent: a slow client costs none."""
        loop = asyncio.get_running_loop()
        try:
            chunk = await loop.run_in_executor(None, self.read)
            while chunk:
                coming = loop.run_in_executor(None, self.read)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await coming
            await send({"type": "http.response.body", "body": b""})
        finally:
            loop.run_in_executor(None, self.close)


def of_wsgi(headers):
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def of_asgi(headers):
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def is_sent(method, path):
    return method in ("GET", "HEAD") and SENT.search(path) is not None


class Wsgi:
    """A WSGI application in front of another."""

    def __init__(self, app):
        self._app = app

    def __call__(self, environ, start_response):
        if "HTTP_X_MLOPS_HANDOVER" not in environ:
            return self._send(environ, start_response) if is_sent(environ["REQUEST_METHOD"], environ["PATH_INFO"]) else self._app(environ, start_response)
        order = Order(environ["REQUEST_METHOD"])
        if order.is_upload:
            environ = {**environ, "REQUEST_METHOD": "PUT", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}

        def start(status, headers, *exc_info):
            code, added = order.answer(int(status[:3]))
            return start_response(f"{code} {status[4:]}", headers + added, *exc_info)

        return self._ask(order, environ, start)

    def _ask(self, order, environ, start):
        token = ORDER.set(order)
        try:
            return self._app(environ, start)
        finally:
            ORDER.reset(token)

    def _send(self, environ, start_response):
        order, taken = Stream(environ["REQUEST_METHOD"]), []

        def start(status, headers, *exc_info):
            taken[:] = [order.takes(int(status[:3]))]
            return start_response(status, order.headers(headers) if taken[0] else headers, *exc_info)

        # A part of an empty file is none.
        asked = {name: value for name, value in environ.items() if name not in ("HTTP_RANGE", "HTTP_IF_RANGE")}
        answer = self._ask(order, asked, start)
        if taken != [True]:
            return answer
        # MLflow removes its empty file when it has sent that.
        with contextlib.closing(answer) if hasattr(answer, "close") else contextlib.nullcontext():
            collections.deque(answer, maxlen=0)
        return order.chunks()


class Asgi:
    """An ASGI application in front of another."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        # A server begins the next request of a connection in the context in which the last one was answered.
        ORDER.set(None)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif HEADER.lower().encode() in dict(scope["headers"]):
            await self._hand_over(scope, receive, send)
        elif is_sent(scope["method"], scope["path"]):
            await self._send(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _hand_over(self, scope, receive, send):
        order = Order(scope["method"])
        if order.is_upload:
            scope = {**scope, "method": "PUT"}

        async def answer(message):
            if message["type"] == "http.response.start":
                status, added = order.answer(message["status"])
                message = {**message, "status": status, "headers": [*message.get("headers", ()), *of_asgi(added)]}
            await send(message)

        await self._ask(order, scope, receive, answer)

    async def _ask(self, order, scope, receive, answer):
        token = ORDER.set(order)
        try:
            await self._app(scope, receive, answer)
        finally:
            ORDER.reset(token)

    async def _send(self, scope, receive, send):
        order, taken = Stream(scope["method"]), False

        async def answer(message):
            nonlocal taken
            if message["type"] == "http.response.start":
                taken = order.takes(message["status"])
                message = {**message, "headers": of_asgi(order.headers(of_wsgi(message["headers"])))} if taken else message
            elif taken and not message.get("more_body"):
                # Where the client goes, MLflow's answer to it is cancelled, and this with it.
                await order.pass_on(send)
                return
            elif taken:
                return
            await send(message)

        kept = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        await self._ask(order, {**scope, "headers": kept}, receive, answer)
