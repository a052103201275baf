"""What a client may ask for, and what one that asks for too much, or too slowly, takes from others."""

import json

RAW = """
import base64, json, os, socket, ssl, time
host, user, password = (os.environ["MLFLOW_TRACKING_" + name] for name in ("URI", "USERNAME", "PASSWORD"))
host = host.removeprefix("https://")
LOGIN = "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
context = ssl.create_default_context(cafile="/root/ca.crt")


def connect():
    return context.wrap_socket(socket.create_connection((host, 443), timeout=60), server_hostname=host)


def ask(line, *headers, body=b"", binary=False):
    with connect() as server:
        server.sendall("\\r\\n".join([line, f"Host: {host}", LOGIN, "Connection: close", *headers, "", ""]).encode() + body)
        answer = b""
        while data := server.recv(65536):
            answer += data
    head, _, content = answer.partition(b"\\r\\n\\r\\n")
    return int(head.split()[1]), content if binary else content.decode(errors="replace")
"""


def test_what_the_front_lets_in_both_servers_take(client):
    """At the border: a request line and three headers of nearly 32 kB each, and a hundred more headers."""
    code = """
size = 32 * 1024 - 64
answers = {}
for path in ("/health", "/api/3.0/mlflow/server-info"):
    long = f"GET {path}?x=".ljust(size, "x") + " HTTP/1.1"
    headers = [f"X-Long-{i}: ".ljust(size, "x") for i in range(3)]
    answers[path] = [ask(long)[0], ask(f"GET {path} HTTP/1.1", *headers)[0], ask(long, *headers[:2], *(f"X-{i}: x" for i in range(200)))[0]]
    answers[path].append(ask(f"GET {path}?x=".ljust(33000, "x") + " HTTP/1.1")[0])
runs = "&".join("run_ids=" + "0" * 32 for _ in range(100))
chart = f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{runs}&metric_key=loss&max_results=320"
answers["chart"] = json.loads(ask(f"GET {chart} HTTP/1.1")[1])["error_code"]
print(json.dumps(answers))
"""
    answers = json.loads(client(RAW + code).stdout)
    # MLflow looks for the runs, which are not there.
    assert answers == {path: [200, 200, 200, 414] for path in ("/health", "/api/3.0/mlflow/server-info")} | {"chart": "RESOURCE_DOES_NOT_EXIST"}


SLOW_UPLOADS = """
import hashlib
path = "/api/2.0/mlflow-artifacts/artifacts/limits/"


def upload(name, size, part):
    server = connect()
    server.sendall(f"PUT {path}{name} HTTP/1.1\\r\\nHost: {host}\\r\\n{LOGIN}\\r\\nContent-Length: {size}\\r\\n\\r\\n".encode() + part)
    return server


slow = [upload(f"slow-{i}", 40 << 20, bytes(8 << 20) + b"x") for i in range(66)]
slow += [upload(f"slow-{i}", 40 << 20, bytes(1 << 20)) for i in range(66, 106)]
content = os.urandom(20 << 20)
print(upload("fast", len(content), content).recv(65536).split()[1].decode())
print(hashlib.sha256(ask(f"GET {path}fast HTTP/1.1", binary=True)[1]).digest() == hashlib.sha256(content).digest())
"""


def test_slow_uploads_do_not_stop_others(client):
    """Neither ones that stop after their first part, nor more of them within a part than there is memory for."""
    assert client(RAW + SLOW_UPLOADS).stdout.split() == ["200", "True"]
