"""The bounds for bodies in front of MLflow's FastAPI application."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

BOMB = gzip.compress(bytes(1 << 28), 9)


@pytest.fixture
def bounds(server_file):
    return server_file("bounds.py")


async def echo(scope, receive, send):
    content = b""
    while True:
        message = await receive()
        content += message["body"]
        if not message.get("more_body"):
            break
    await send({"status": 200, "headers": dict(scope["headers"])})
    await send({"body": content})


def ask(bounds, chunks, path="/v1/traces", pause=0.0, spooled=False, **headers):
    """The answer's status, the headers that the application saw, and its body."""
    chunks = list(chunks)
    answer = []

    async def receive():
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message):
        answer.append(message)

    head = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "headers": head or [(b"transfer-encoding", b"chunked")]}
    asyncio.run(bounds.Bounded(echo, spooled)(scope, receive, send))
    return answer[0]["status"], answer[0]["headers"], answer[1]["body"]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", lambda text: gzip.compress(text[:5]) + gzip.compress(text[5:])),
        ("deflate", zlib.compress),
        ("deflate", lambda text: zlib.compress(text)[2:-4]),
    ],
    ids=["gzip", "members", "zlib", "bare"],
)
def test_packed_bodies_arrive_unpacked(bounds, encoding, pack):
    text = b"spans " * 100_000
    packed = pack(text)
    status, headers, body = ask(bounds, [packed[i : i + 100] for i in range(0, len(packed), 100)], content_encoding=encoding, content_length="1")
    assert (status, body) == (200, text)
    assert headers == {b"content-length": str(len(text)).encode()}


def test_unpacking_is_bounded(bounds):
    tracemalloc.start()
    status, _headers, body = ask(bounds, [BOMB], content_encoding="gzip", content_length=str(len(BOMB)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert status == 413 and b"REQUEST_LIMIT_EXCEEDED" in body
    assert peak < 3 * bounds.MAX_TRACES


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"text")[:-9]], ids=["other", "cut"])
def test_broken_packing_is_refused(bounds, content):
    assert ask(bounds, [content], content_encoding="gzip", content_length="1")[0] == 400


def test_bodies_are_bounded_and_uploads_are_not(bounds):
    bounds.MAX_TRACES, bounds.MAX_BODY = 1 << 20, 2 << 20
    chunks = [bytes(1 << 20), b"x"]
    assert ask(bounds, chunks)[0] == 413
    assert ask(bounds, chunks, "/api/2.0/mlflow/runs/log-inputs")[0] == 200
    assert ask(bounds, chunks * 2, "/api/2.0/mlflow/runs/log-inputs")[0] == 413
    assert ask(bounds, chunks * 2, "/api/2.0/mlflow-artifacts/artifacts/x")[0] == 200


@pytest.mark.parametrize(("spooled", "size", "status"), [(True, 10**15, 507), (True, 1, 200), (False, 10**15, 200)])
def test_uploads_have_room_where_they_are_kept_on_their_way(bounds, spooled, size, status):
    assert ask(bounds, [b"x"], "/api/2.0/mlflow-artifacts/artifacts/x", spooled=spooled, content_length=str(size))[0] == status


@pytest.mark.parametrize("end", ["whole", "gone"])
def test_uploads_go_on_in_large_pieces(bounds, end):
    bounds.PIECE = 100
    more = {"type": "http.request", "more_body": True}
    coming = [{**more, "body": bytes([number]) * 30} for number in range(10)]
    coming.append({"type": "http.request", "body": b"end"} if end == "whole" else {"type": "http.disconnect"})
    sent = []

    async def receive():
        # A server says again that the client has gone.
        return coming.pop(0) if len(coming) > 1 else coming[0]

    async def app(_scope, receive, _send):
        while not sent or sent[-1].get("more_body"):
            sent.append(await receive())

    scope = {"type": "http", "path": "/api/2.0/mlflow-artifacts/artifacts/x", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(bounds.Bounded(app)(scope, receive, None))
    content = b"".join(message.get("body", b"") for message in sent)
    assert content == b"".join(bytes([number]) * 30 for number in range(10)) + (b"end" if end == "whole" else b"")
    assert [len(message.get("body", b"")) for message in sent] == ([120, 120, 63] if end == "whole" else [120, 120, 60, 0])
    assert sent[-1]["type"] == ("http.request" if end == "whole" else "http.disconnect")


def test_large_bodies_have_to_come_in(bounds):
    bounds.SECONDS = 0.3
    assert ask(bounds, [bytes(bounds.LARGE + 1), *[b"x"] * 20], pause=0.1)[0] == 408
    assert ask(bounds, [b"x"] * 10, pause=0.05)[0] == 200
    assert bounds.PLACES._value == 2


def test_other_encodings_and_requests_without_a_body_pass(bounds):
    assert ask(bounds, [b"x"], "/gateway/x", content_encoding="zstd", content_length="1")[1:] == ({b"content-encoding": b"zstd", b"content-length": b"1"}, b"x")
    assert ask(bounds, [b""], accept="x")[1] == {b"accept": b"x"}
