"""What is in a SQLite file of a real MLflow comes to PostgreSQL whole, or is named row by row, or nothing happens."""

from __future__ import annotations

import json

import pytest
import testbed
from testbed import ENVIRONMENTS, NEW, NEW_HEAD, USER, on

FOLDER = "/srv/import"
SOURCE = f"{FOLDER}/mlflow.db"
OLDEST = "2.22.5"
# Every character that COPY or PostgreSQL writes in another way, and some that are not ASCII.
AWKWARD = "tab\t nl\n cr\r bs\b ff\f vt\v \\ \\N \\. \\x41 \"'`$%{{ x }} \x01\x7f é 漢 😀 \u2028 end"
FILL = """
import json, math, os, sys
import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
uri, text = sys.argv[1], json.loads(sys.argv[2])
mlflow.set_tracking_uri(uri)
client = MlflowClient(uri, uri)
one = client.create_experiment("précis", artifact_location="/srv/mlruns/1", tags={"note": text})
two = client.create_experiment("deleted", artifact_location="/srv/mlruns-other/2")
client.delete_experiment(two)
for number in range(20):
    run = client.create_run(one, run_name=f"run {number}", tags={"text": text, "long": "x" * 5000}).info.run_id
    values = [0.1, -0.0, 1e-310, 1.7976931348623157e308, 1e15, 123456789012345680.0, math.nan, math.inf, -math.inf, number / 3]
    metrics = [Metric(f"m{n % 7}", value, 1700000000000 + n, n - 3) for n, value in enumerate(values * 10)]
    client.log_batch(run, metrics, [Param("p", text), Param("empty", "")], [RunTag("t/é", text)])
    client.set_terminated(run)
client.delete_run(run)
client.create_registered_model("model é", tags={"t": text}, description=text)
version = client.create_model_version("model é", "/srv/mlruns/1/models/x", run_id=run)
client.set_registered_model_alias("model é", "champion", version.version)
if hasattr(client, "create_logged_model"):
    model = client.create_logged_model(one, name="m", params={"a": text}, tags={"b": text})
if int(mlflow.__version__.split(".")[0]) > 2:
    mlflow.set_experiment(experiment_id=one)
    with mlflow.start_span("outer") as span:
        span.set_inputs({"text": text, "n": 1})
        with mlflow.start_span("inner"):
            pass
    mlflow.flush_trace_async_logging()
    from mlflow.genai.datasets import create_dataset
    create_dataset(name="d", experiment_id=one).merge_records([{"inputs": {"q": text, "n": 0.1}, "expectations": {"a": [1, None, 2.5]}}])
os._exit(0)
"""
