"""A client of the site that writes all the time: metrics, and artifacts up and down. As MLflow's own client does, it tries again what fails with 429 or 5xx
or without an answer, and with 401 until it knows the new password; any other answer ends it. When its standard input ends, it says what was acknowledged.
"""

import base64
import collections
import hashlib
import http.client
import json
import os
import ssl
import sys
import threading
import time

HOST, CA = sys.argv[1:]
AGAIN = {429, 500, 502, 503, 504}
# The login is one of a file, which gets another line when the password changes.
PASSWORDS = "/root/rotation-passwords"
answers: dict[str, collections.Counter] = {"metric": collections.Counter(), "artifact": collections.Counter()}
ended = threading.Event()


def headers(number):
    with open(PASSWORDS, encoding="utf-8") as lines:
        passwords = lines.read().splitlines()
    login = f"mlflow:{passwords[number % len(passwords)]}"
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode(), "Content-Type": "application/json"}


class Client:
    def __init__(self, kind):
        self.kind = kind
        self.context = ssl.create_default_context(cafile=CA)
        self.connection = None
        self.number = 0
        self.longest = 0.0

    def ask(self, method, path, body=None):
        start = time.monotonic()
        while True:
            status, answer = self.once(method, path, body)
            answers[self.kind][str(status)] += 1
            if status == http.client.OK:
                self.longest = max(self.longest, time.monotonic() - start)
                return answer
            if status == http.client.UNAUTHORIZED:
                self.number += 1
            elif isinstance(status, int) and status not in AGAIN:
                raise RuntimeError(f"{path}: {status} {answer[:500]!r}")
            time.sleep(0.2)

    def once(self, method, path, body):
        try:
            self.connection = self.connection or http.client.HTTPSConnection(HOST, context=self.context, timeout=60)
            self.connection.request(method, path, body, headers(self.number))
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            return type(error).__name__, b""


def api(client, path, body):
    return json.loads(client.ask("POST", f"/api/2.0/mlflow/{path}", json.dumps(body)))


def write_metrics(result):
    client = Client("metric")
    run = api(client, "runs/create", {"experiment_id": result["experiment"]})["run"]["info"]["run_id"]
    step = 0
    while not ended.is_set():
        api(client, "runs/log-metric", {"run_id": run, "key": "written", "value": step, "timestamp": 1, "step": step})
        step += 1
        time.sleep(0.1)
    history = json.loads(client.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=written"))
    found = {metric["step"] for metric in history["metrics"]}
    result["metrics"] = {"acknowledged": step, "lost": len(set(range(step)) - found), "longest": round(client.longest, 1)}


def write_artifacts(result):
    client = Client("artifact")
    sums = []
    while not ended.is_set():
        content = os.urandom(200_000)
        client.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/rotation/{len(sums)}.bin", content)
        sums.append(hashlib.sha256(content).digest())
        time.sleep(0.3)
    found = [hashlib.sha256(client.ask("GET", f"/api/2.0/mlflow-artifacts/artifacts/rotation/{number}.bin")).digest() for number in range(len(sums))]
    result["artifacts"] = {"acknowledged": len(sums), "lost": sum(a != b for a, b in zip(sums, found)), "longest": round(client.longest, 1)}


def store_secrets(client, name):
    """What MLflow encrypts with its own keys."""
    secret = {"secret_name": name, "secret_value": {"api_key": "of the test"}, "provider": "openai"}
    client.ask("POST", "/api/3.0/mlflow/gateway/secrets/create", json.dumps(secret))
    events = [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    api(client, "webhooks", {"name": name, "url": "https://1.1.1.1/", "status": "DISABLED", "secret": "of the test", "events": events})


outcome = {"experiment": api(Client("metric"), "experiments/create", {"name": f"rotation {time.time()}"})["experiment_id"]}
first = Client("metric")
store_secrets(first, f"rotation-{time.time_ns()}")
threads = [threading.Thread(target=target, args=[outcome]) for target in (write_metrics, write_artifacts)]
for thread in threads:
    thread.start()
print("writes", flush=True)
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
# Answered with 500 where one cannot be read.
first.ask("GET", "/api/2.0/mlflow/webhooks")
print(json.dumps({**outcome, "answers": answers}))
