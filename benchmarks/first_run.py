"""Logs a first run with an artifact, as soon as the server answers. Usage: first_run.py URL USER; the password is in MLFLOW_TRACKING_PASSWORD."""

from __future__ import annotations

import os
import sys
import time

LIMIT = 120  # seconds

url, user = sys.argv[1:]
os.environ.update(MLFLOW_TRACKING_URI=url, MLFLOW_TRACKING_USERNAME=user, MLFLOW_DISABLE_TELEMETRY="true")

import mlflow  # noqa: E402
import requests  # noqa: E402

end = time.monotonic() + LIMIT
login = (user.encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
with requests.Session() as http:
    http.trust_env = False
    http.verify = os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"]
    while True:
        answer = http.get(f"{url}/api/2.0/mlflow/experiments/search?max_results=1", auth=login, timeout=10)
        if answer.ok:
            break
        if time.monotonic() > end:
            sys.exit(f"{url} does not answer within {LIMIT} s: HTTP {answer.status_code} {answer.text[:200]}")
        time.sleep(0.2)

mlflow.set_experiment("first")
with mlflow.start_run():
    mlflow.log_param("alpha", 0.5)
    mlflow.log_metric("accuracy", 0.9)
    mlflow.log_text("hello", "first.txt")
