"""Months of work with MLflow 2.22.5, through its own stores: 300 runs, traces, registered models, artifacts. The latter go to a folder, like the bucket's."""

import os
import sys
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.entities.trace_status import TraceStatus
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

AWKWARD = "Größe %2F '\"\\ {{ x }} $HOME \n 日本 😀 \t;--"

tracking = TrackingStore(os.environ["URI"], "mlflow-artifacts:/")
registry = RegistryStore(os.environ["URI"])
for family in range(3):
    place = f"old/{family}"
    experiment = tracking.create_experiment(f"drill {family} {AWKWARD}", artifact_location=f"mlflow-artifacts:/{place}")
    for number in range(100):
        run = tracking.create_run(experiment, "somebody", number, [RunTag("t", AWKWARD)], f"run {number} {AWKWARD}")
        values = [Metric(f"metric {name}", 1 / (name + step + 1), step, step) for name in range(5) for step in range(10)]
        odd = [Metric("odd", float(value), 0, step) for step, value in enumerate(("nan", "inf", "-inf", "1e308", "-0.0"))]
        tracking.log_batch(run.info.run_id, values + odd, [Param("p", AWKWARD), Param("long", "x" * 6000)], [RunTag("long", "y" * 5000)])
        if number % 10 == 0:
            folder = Path(sys.argv[1], place, run.info.run_id, "artifacts")
            (folder / "model").mkdir(parents=True)
            (folder / "an odd name [1] +&.txt").write_text(AWKWARD * (number + 1))
            (folder / "model/MLmodel").write_bytes(os.urandom(10_000 if number else 9 * 2**20))
    for number in range(50):
        trace = tracking.start_trace(experiment, number, {"mlflow.traceInputs": AWKWARD}, {"t": AWKWARD, "mlflow.traceName": f"trace {number}"})
        tracking.end_trace(trace.request_id, number + 5, TraceStatus.OK, {"mlflow.traceOutputs": AWKWARD}, {})
    for number in range(5):
        name = f"model {family} {number} é"
        registry.create_registered_model(name, [RegisteredModelTag("t", AWKWARD)], AWKWARD)
        for _version in range(3):
            registry.create_model_version(name, f"mlflow-artifacts:/{place}/model", run.info.run_id, [ModelVersionTag("t", AWKWARD)], None, AWKWARD)
        registry.set_registered_model_alias(name, "champion", "2")
