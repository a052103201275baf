"""A small stand-in for the MLflow server: says what it was asked, advertises multipart transfers, reports when an upload began, and has a UI."""

from __future__ import annotations

import collections
import gzip
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

uploads: dict[str, dict] = {}
visits: collections.Counter[str] = collections.Counter()
sending: set[int] = set()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self, note):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                note(len(self.rfile.read(size)))
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                data = self.rfile.read1(min(left, 65536))
                if not data:
                    break
                left -= len(data)
                note(len(data))

    def answer(self, content, kind="application/json", status=200, **headers):
        if not isinstance(content, bytes):
            content = json.dumps(content, separators=(",", ":")).encode()
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content)
            headers["Content-Encoding"] = "gzip"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Frame-Options", "from-upstream")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path.startswith("/uploads/"):
            with lock:
                return self.answer(uploads.get(self.path.rpartition("/")[2], {}))
        if self.path.endswith("?echo"):
            return self.echo()
        if self.path.endswith("/3.0/mlflow/server-info"):
            return self.answer({"store_type": "SqlStore", "multipart_uploads_enabled": True, "multipart_downloads_enabled": True})
        if self.path.startswith("/gateway/stream"):
            return self.stream()
        if "/static-files/" in self.path:
            return self.ui_file()
        if self.path == "/sending":
            return self.answer(len(sending))
        if "get-artifact" in self.path:
            return self.file()
        return self.echo()

    def echo(self):
        self.answer({"server": sys.argv[2], "path": self.path, "headers": dict(self.headers.items())}, Cache_Control="max-age=1")

    def ui_file(self):
        """With the headers of MLflow, which are the same for every name. The content tells how often it was asked for."""
        with lock:
            visits[self.path] += 1
        headers = {"Cache_Control": "public, max-age=2419200", "Expires": "Fri, 31 Dec 2100 00:00:00 GMT", "ETag": '"1"', "Vary": "Origin, Origin"}
        status = 404 if "missing" in self.path else 304 if '"1"' in self.headers.get("If-None-Match", "") else 200
        content = b"" if status == 304 else f"{visits[self.path]} ".encode() + b"x" * 10000
        self.answer(content, "text/javascript; charset=utf-8", status, **headers)

    def file(self):
        """Of 30 MB. `/sending` tells how many of them are under way."""
        sending.add(id(self))
        try:
            self.answer(bytes(30 << 20), "application/octet-stream")
        finally:
            sending.remove(id(self))

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for i in range(2):
            self.wfile.write(f"data: {i}\n\n".encode())
            self.wfile.flush()
            time.sleep(1.5)

    def do_PUT(self):
        upload = {"started": time.time(), "first": None, "size": 0}
        with lock:
            uploads[self.path.rpartition("/")[2]] = upload

        def note(size):
            with lock:
                upload["first"] = upload["first"] or time.time()
                upload["size"] += size

        self.body(note)
        self.answer(upload)

    do_POST = do_PUT

    def address_string(self):
        return "-"


class Server(ThreadingHTTPServer):
    # A Unix socket refuses at once what does not fit into its queue, and five is Python's default.
    request_queue_size = 512


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        os.chmod(self.server_address, 0o660)


address = sys.argv[1]
if address.startswith("/"):
    UnixServer(address, Handler).serve_forever()
else:
    host, port = address.split(":")
    Server((host, int(port)), Handler).serve_forever()
