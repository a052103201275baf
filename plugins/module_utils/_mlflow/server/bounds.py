"""MLflow's FastAPI application, with bounds for bodies that it keeps in memory: their size, also unpacked, and how many large ones there are at once.

Uploads of artifacts are passed on in large pieces, and have none; where MLflow keeps them on its disk first, they have to have room there. `serve.py` puts this
in the place of MLflow's own, without and with its login, and of the one of single sign-on.
"""

import asyncio
import contextvars
import importlib.util
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import zlib

UPLOADS = "/mlflow-artifacts/artifacts/"
TRACES = "/v1/traces"
MAX_BODY = 64 * 1024 * 1024
# Of spans MLflow makes Python objects that take many times as much.
MAX_TRACES = 16 * 1024 * 1024
# Bodies above LARGE are read and worked on two at a time, and have to come in within SECONDS.
LARGE = 256 * 1024
PLACES = asyncio.Semaphore(2)
SECONDS = 60
PIECE = 512 * 1024
CODES = {400: "BAD_REQUEST", 408: "REQUEST_TIMEOUT", 413: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE", 507: "TEMPORARILY_UNAVAILABLE"}


class RefusedError(Exception):
    """A body that MLflow does not get to see: the status, and why."""


class Unpacker:
    """Takes a compressed body as it comes, without ever unpacking more than is wanted."""

    def __init__(self, encoding):
        self._encoding = encoding
        self._stream = None

    def unpack(self, data, limit):
        """At most `limit` bytes. What is above them is lost: they are refused."""
        found = bytearray()
        while data and len(found) < limit:
            if self._stream is None:
                # A deflated body may have a header, or be bare.
                bare = self._encoding == "deflate" and data[0] & 0x0F != 8
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
            try:
                found += self._stream.decompress(data, limit - len(found))
            except zlib.error:
                raise RefusedError(400, "The body is not what its Content-Encoding says.") from None
            data = self._stream.unused_data or self._stream.unconsumed_tail
            if self._stream.eof:
                self._stream = None
        return found

    def end(self):
        if self._stream is not None:
            raise RefusedError(400, "The body ends too early.")


class Bounded:
    """An ASGI application in front of another. With `spooled` that keeps uploads on its disk before they go on."""

    def __init__(self, app, spooled=False):
        self._app = app
        self._spooled = spooled

    async def __call__(self, scope, receive, send):
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or not headers.keys() & {b"content-length", b"transfer-encoding"}:
            await self._app(scope, receive, send)
            return
        try:
            if UPLOADS not in scope["path"]:
                await self._read_first(scope, headers, receive, send)
                return
            if self._spooled:
                see_room(int(headers.get(b"content-length", b"0")))
            await self._app(scope, in_large_pieces(receive), send)
        except RefusedError as refusal:
            status, message = refusal.args
            answer = json.dumps({"error_code": CODES[status], "message": message}).encode()
            head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode()), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": answer})

    async def _read_first(self, scope, headers, receive, send):
        body = Body(receive, MAX_TRACES if scope["path"] == TRACES else MAX_BODY)
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        try:
            if encoding in ("gzip", "deflate"):
                body.unpacker = Unpacker(encoding)
            await body.read()
            # The gateway waits for its providers, which takes time and no memory.
            if scope["path"].startswith("/gateway/"):
                body.close()
            if body.unpacker:
                body.unpacker.end()
                kept = [(name, value) for name, value in scope["headers"] if name not in (b"content-encoding", b"content-length", b"transfer-encoding")]
                scope = {**scope, "headers": [*kept, (b"content-length", str(len(body.content)).encode())]}
            await self._app(scope, body.replay, send)
        finally:
            body.close()


def in_large_pieces(receive):
    """Each piece of an upload costs MLflow's middlewares two tasks, and the server hands out 64 kB at a time: that was most of its work."""

    async def gather():
        message = await receive()
        if message["type"] != "http.request":
            return message
        piece = bytearray(message.get("body", b""))
        while message.get("more_body") and len(piece) < PIECE:
            further = await receive()
            if further["type"] != "http.request":
                # The client has gone, as the next call is told again.
                break
            message = further
            piece += message.get("body", b"")
        return {**message, "body": bytes(piece)}

    return gather


def see_room(size):
    """Before the body is read. On 507 no client of MLflow tries again."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise RefusedError(507, f"The server has no room for {size} bytes on their way to the artifact store: its TMPDIR has {free} left.")


class Body:
    """A body that is read before the application is asked."""

    unpacker = None

    def __init__(self, receive, limit):
        self._receive = receive
        self._limit = limit
        self._large = False
        self._last = None
        self.content = bytearray()

    async def read(self):
        await self._read(LARGE)
        if self._last:
            return
        try:
            await asyncio.wait_for(PLACES.acquire(), SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise RefusedError(503, "Too many large requests at once. Try again.") from None
        self._large = True
        try:
            await asyncio.wait_for(self._read(self._limit), SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise RefusedError(408, f"A body above {LARGE} bytes has to come in within {SECONDS} seconds.") from None

    async def _read(self, size):
        while not self._last and len(self.content) <= size:
            message = await self._receive()
            data = message.get("body", b"")
            self.content += self.unpacker.unpack(data, self._limit + 1 - len(self.content)) if self.unpacker else data
            if len(self.content) > self._limit:
                raise RefusedError(413, f"The body has more than {self._limit} bytes.")
            if not message.get("more_body"):
                self._last = message

    async def replay(self):
        if self._last["type"] != "http.request":
            return self._last
        if self.content is None:
            return await self._receive()
        content, self.content = bytes(self.content), None
        return {"type": "http.request", "body": content}

    def close(self):
        if self._large:
            PLACES.release()
        self._large = False


def say_lengths(router):
    """Downloads of artifacts get a Content-Length: without, a client of HTTP/1.0 takes one that was cut for a whole one.

    MLflow has the file when it asks for its type, and streams it next (`mlflow.server.artifact_router` of 3.15 and newer).
    """
    length = contextvars.ContextVar("length")
    guess = router._guess_mime_type

    def guess_and_note(path):
        length.set(os.path.getsize(path))
        return guess(path)

    class Response(router.StreamingResponse):
        def __init__(self, content, headers=None, **options):
            super().__init__(content, headers={**(headers or {}), "Content-Length": str(length.get())}, **options)

    router._guess_mime_type, router.StreamingResponse = guess_and_note, Response


def __getattr__(name):
    """`app` and `oidc_app`, when the server asks for one: the rest can be used without MLflow."""
    if name == "oidc_app":
        return bounded(signed_on(), spooled=True)
    if name != "app":
        raise AttributeError(name)
    from mlflow.server import fastapi_app

    return bounded(fastapi_app.app)


def create_app():
    """The application with MLflow's login."""
    from mlflow.server import auth

    return bounded(auth.create_app())


def handed_over(app):
    """Where artifacts are in S3, a web server in front may move them."""
    found = importlib.util.find_spec("mlops_mlflow_handover")
    return importlib.import_module(found.name).Asgi(app) if found else app


def signed_on():
    """The application of mlflow-oidc-auth, with what it lacks of MLflow's own.

    It checks neither the host nor the origin of a request that Flask does not answer, and its Flask has one thread for all requests of a worker: who
    uploads a model would let all others wait. It also keeps for good what is over in its database.
    """
    from asgiref.sync import ThreadSensitiveContext
    from mlflow.server.fastapi_security import init_fastapi_security
    from mlflow_oidc_auth.app import app
    from mlflow_oidc_auth.middleware import AuthAwareWSGIMiddleware
    from mlflow_oidc_auth.store import store

    class Threaded(AuthAwareWSGIMiddleware):
        """Each request has a thread, of as many at once as MLflow's own application has."""

        threads = asyncio.Semaphore(40)

        async def __call__(self, scope, receive, send):
            async with self.threads, ThreadSensitiveContext():
                await super().__call__(scope, receive, send)

    (mount,) = (route for route in app.routes if isinstance(getattr(route, "app", None), AuthAwareWSGIMiddleware))
    mount.app = Threaded(mount.app.flask_app)
    init_fastapi_security(app)
    threading.Thread(target=sweep_hourly, args=(store,), daemon=True).start()
    return app


def sweep_hourly(store):
    while True:
        try:
            sweep(store)
        except Exception:
            logging.getLogger("uvicorn.error").exception("What is over could not be deleted from the database of the login")
        time.sleep(3600)


def sweep(store):
    """Delete attempts to log in, which anybody can make, and sessions that are over; says how many."""
    return store.auth_state_repo.delete_expired() + store.auth_session_repo.delete_expired()


def bounded(app, spooled=False):
    # MLflow < 3.15 leaves artifacts to Flask.
    router = sys.modules.get("mlflow.server.artifact_router")
    if hasattr(router, "_guess_mime_type") and hasattr(router, "StreamingResponse"):
        say_lengths(router)
    streams = router is not None and os.environ.get("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "").startswith("s3:")
    return Bounded(handed_over(app), spooled or not streams)
