"""Lets a web server in front move an artifact between its client and the store by itself: MLflow says whether, and where the artifact is.

The front asks for that with a header, and the answer has the address for one request to the store. It asks for an upload by POST and without the body:
a server that does not know of this refuses that, in place of storing nothing. A download is answered by X-Accel-Redirect to a place of the front.
MLflow's routes and its login stay as they are: it works on an order of its request, which the repository for S3 signs instead of moving bytes.
"""

import contextvars
import io
from urllib.parse import urlsplit

HEADER = "X-Mlops-Handover"
PLACE = "@artifact_download"
# Seconds in which the front has to begin.
LIFETIME = 300
ORDER = contextvars.ContextVar("order", default=None)


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

    def download_file(self, bucket, key):
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


class Wsgi:
    """A WSGI application in front of another."""

    def __init__(self, app):
        self._app = app

    def __call__(self, environ, start_response):
        if "HTTP_X_MLOPS_HANDOVER" not in environ:
            return self._app(environ, start_response)
        order = Order(environ["REQUEST_METHOD"])
        if order.is_upload:
            environ = {**environ, "REQUEST_METHOD": "PUT", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}

        def start(status, headers, *exc_info):
            code, added = order.answer(int(status[:3]))
            return start_response(f"{code} {status[4:]}", headers + added, *exc_info)

        token = ORDER.set(order)
        try:
            return self._app(environ, start)
        finally:
            ORDER.reset(token)


class Asgi:
    """An ASGI application in front of another."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or HEADER.lower().encode() not in dict(scope["headers"]):
            await self._app(scope, receive, send)
            return
        order = Order(scope["method"])
        if order.is_upload:
            scope = {**scope, "method": "PUT"}

        async def answer(message):
            if message["type"] == "http.response.start":
                status, added = order.answer(message["status"])
                headers = [*message.get("headers", ()), *((name.lower().encode(), value.encode("latin-1")) for name, value in added)]
                message = {**message, "status": status, "headers": headers}
            await send(message)

        token = ORDER.set(order)
        try:
            await self._app(scope, receive, answer)
        finally:
            ORDER.reset(token)
