"""Clients that log batches all the time. load.py RETRIES FILE: writes what they were told to the file when it is stopped."""

import json
import os
import signal
import sys
import threading
import time

RETRIES, RESULT = sys.argv[1:]
os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": RETRIES, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"})

from mlflow import MlflowClient  # noqa: E402 - reads its settings when it is imported
from mlflow.entities import Metric  # noqa: E402

CLIENTS = 4
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *unused: stopped.set())
client = MlflowClient()
told = {"acknowledged": {}, "failures": [], "latencies": []}


def work():
    run = client.create_run("0").info.run_id
    step = 0
    while not stopped.is_set():
        begin = time.time()
        try:
            client.log_batch(run, [Metric(f"m{number}", step, 1, step) for number in range(10)])
        except Exception as exc:
            told["failures"].append(f"{time.strftime('%T')} {str(exc)[:300]}")
        else:
            step += 1
            told["acknowledged"][run] = step
        told["latencies"].append([begin, time.time() - begin])
        stopped.wait(0.05)


threads = [threading.Thread(target=work) for _number in range(CLIENTS)]
for one in threads:
    one.start()
for one in threads:
    one.join()
with open(RESULT, "w", encoding="utf-8") as stream:
    json.dump(told, stream)
