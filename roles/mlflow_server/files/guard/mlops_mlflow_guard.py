"""MLflow's tracking store, without experiments whose artifacts are files of the server's machine.

MLflow lets every client choose where the artifacts of a new experiment go, and writes to its own disk for file:///... or a plain path. Runs, logged models
and traces follow their experiment, and a model version may name a local path only below the artifacts of its run, so the experiment alone has to be asked.
MLflow finds this store by its entry point, in both of its servers. Holds for 3.12.0 and 3.17.2, whose own builder of stores is private.
"""

import urllib.parse

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


def tracking_store(store_uri, artifact_uri):
    from mlflow.server.handlers import TrackingStoreRegistryWrapper

    store = TrackingStoreRegistryWrapper._get_sqlalchemy_store(store_uri, artifact_uri)
    create = store.create_experiment

    def create_experiment(name, artifact_location=None, *arguments, **options):
        if artifact_location and urllib.parse.urlparse(artifact_location.strip()).scheme in ("", "file"):
            text = f"This server keeps no artifacts in local files, so artifact_location cannot be {artifact_location!r}: leave it out, or name a store"
            raise MlflowException(text, INVALID_PARAMETER_VALUE)
        return create(name, artifact_location, *arguments, **options)

    store.create_experiment = create_experiment
    return store
