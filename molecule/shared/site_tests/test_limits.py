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


def ask(line, *headers):
    with connect() as server:
        server.sendall("\\r\\n".join([line, f"Host: {host}", LOGIN, "Connection: close", *headers, "", ""]).encode())
        answer = b""
        while data := server.recv(65536):
            answer += data
    head, _, content = answer.partition(b"\\r\\n\\r\\n")
    return int(head.split()[1]), content.decode(errors="replace")
"""


def test_what_the_front_lets_in_both_servers_take(client):
    """At the border: a request line and three headers of nearly 32 kB each, and two hundred more headers."""
    code = """
size = 32 * 1024 - 64
answers = {}
for path in ("/health", "/api/3.0/mlflow/server-info"):
    long = f"GET {path}?x=".ljust(size, "x") + " HTTP/1.1"
    headers = [f"X-Long-{i}: ".ljust(size, "x") for i in range(3)]
    answers[path] = [ask(long)[0], ask(f"GET {path} HTTP/1.1", *headers)[0], ask(long, *headers[:1], *(f"X-{i}: x" for i in range(200)))[0]]
    answers[path].append(ask(f"GET {path}?x=".ljust(33000, "x") + " HTTP/1.1")[0])
runs = "&".join("run_ids=" + "0" * 32 for _ in range(100))
chart = f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{runs}&metric_key=loss&max_results=320"
answers["chart"] = ask(f"GET {chart} HTTP/1.1")[0]
print(json.dumps(answers))
"""
    answers = json.loads(client(RAW + code).stdout)
    assert answers == {path: [200, 200, 200, 414] for path in ("/health", "/api/3.0/mlflow/server-info")} | {"chart": 200}
