"""What a small site holds, made through MLflow's own stores: the database that the environment's URI names, and artifacts in the bucket."""

import os
import tempfile
import time
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

AWKWARD = "Größe %2F '\"\\ {{ x }} $HOME \n 日本 😀"

store = SqlAlchemyStore(os.environ["URI"], "s3://mlflow")
experiment = store.create_experiment(f"experiment {AWKWARD}")
for number in range(20):
    run = store.create_run(experiment, "somebody", int(time.time() * 1000), [], f"run {number}")
    values = [Metric(f"metric {name}", 1 / (name + step + 1), step, step) for name in range(10) for step in range(10)]
    store.log_batch(run.info.run_id, values, [Param("p", AWKWARD)], [RunTag("t", AWKWARD)])
    with tempfile.TemporaryDirectory() as folder:
        # Also names that are hard to hand on, and one that is larger than a part of an upload.
        for name, content in (("model/MLmodel", AWKWARD.encode()), ("ein Ölbild [1] {a}*?.txt", b"x" * number), (" leading", b""), ("a\nb", b"two lines")):
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        if number == 0:
            Path(folder, "large.bin").write_bytes(os.urandom(9 * 2**20))
        S3ArtifactRepository(run.info.artifact_uri).log_artifacts(folder)
