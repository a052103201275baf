"""Runs with a client's Python: transfers that stop halfway, slow ones, and what others do meanwhile. Prints a JSON object.

Arguments: what to do, and a folder of notes: a transfer that is halfway makes `half` there and goes on when `go` is there.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import sys
import time

HOST = os.environ["MLFLOW_TRACKING_URI"].removeprefix("https://")
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}".encode()).decode()}
FILES = "/api/2.0/mlflow-artifacts/artifacts/breaks/"
MIB = 2**20
SIZE = 48 * MIB
SLOW = 50_000  # bytes in a second
SLOW_CLIENTS = 40


def content(size=SIZE):
    return hashlib.sha256(b"transfers").digest() * (size // 32)


def connect(timeout=60, buffer=None):
    server = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(cafile="/root/ca.crt"), timeout=timeout)
    if buffer:

        def connection(*arguments, **options):
            made = socket.socket()
            made.settimeout(timeout)
            # What the system takes in advance is not slow.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            made.connect((HOST, 443))
            return made

        server._create_connection = connection
    return server


def ask(method, name, body=None):
    server = connect()
    server.request(method, FILES + name, body, LOGIN)
    answer = server.getresponse()
    return answer.status, answer.read()


def begin_upload(server, name, size=SIZE):
    server.putrequest("PUT", FILES + name)
    for header, value in {**LOGIN, "Content-Length": str(size)}.items():
        server.putheader(header, value)
    server.endheaders()


def told(action):
    """What comes of it, in the words of a client: a status, or an error."""
    try:
        return action()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def halfway(notes):
    """An upload and a download that something happens to."""
    body, half = content(), SIZE // 3
    up, down = connect(), connect()
    begin_upload(up, "half-up")
    up.send(body[:half])
    down.request("GET", FILES + "whole", headers=LOGIN)
    answer = down.getresponse()
    start = answer.read(half)
    (notes / "half").touch()
    while not (notes / "go").exists():
        time.sleep(0.05)

    def finish():
        up.send(body[half:])
        answer = up.getresponse()
        return [answer.status, answer.read().decode()[:300]]

    return {"up": told(finish), "down": told(lambda: "whole" if start + answer.read() == body else "short")}


def store(name, body):
    """Try until it is there."""
    end = time.monotonic() + 60
    while (done := told(lambda: ask("PUT", name, body)[0] == 200 and ask("GET", name) == (200, body))) is not True:
        assert time.monotonic() < end, done
        time.sleep(0.3)


def retry(_notes):
    begin = time.monotonic()
    store("retried", content(9 * MIB))
    return {"seconds": round(time.monotonic() - begin, 1), "half": ask("GET", "half-up")[0], "whole": ask("GET", "whole") == (200, content())}


def quick():
    """Seconds that others need, and the longest of them."""
    body, begin = content(4 * MIB), time.monotonic()
    for number in range(3):
        assert ask("PUT", f"quick-{number}", body)[0] == 200
        assert ask("GET", f"quick-{number}") == (200, body)
    return round(time.monotonic() - begin, 2)


def slow(notes):
    """Half of the slow clients send, half receive."""
    body = content()
    piece, pause = 5000, 5000 / SLOW

    def crawl(number):
        server = connect(buffer=16384)
        if number % 2:
            begin_upload(server, f"slow-{number}")
            at = 0
            while not (notes / "stop").exists():
                server.send(body[at : at + piece])
                at += piece
                time.sleep(pause)
            return at
        server.request("GET", FILES + "whole", headers=LOGIN)
        answer, at = server.getresponse(), 0
        assert answer.status == 200
        while not (notes / "stop").exists():
            assert answer.read(piece) == body[at : at + piece]
            at += piece
            time.sleep(pause)
        return at

    before = quick()
    with concurrent.futures.ThreadPoolExecutor(SLOW_CLIENTS) as pool:
        crawling = [pool.submit(crawl, number) for number in range(SLOW_CLIENTS)]
        time.sleep(4)
        during = quick()
        (notes / "stop").touch()
    return {"before": before, "during": during, "least": min(moved.result() for moved in crawling)}


def main():
    notes = pathlib.Path(sys.argv[2])
    notes.mkdir(exist_ok=True)
    for note in notes.iterdir():
        note.unlink()
    if sys.argv[1] in ("halfway", "slow"):
        store("whole", content())
        ask("DELETE", "half-up")
    print(json.dumps({"halfway": halfway, "retry": retry, "slow": slow}[sys.argv[1]](notes)))


if __name__ == "__main__":
    main()
