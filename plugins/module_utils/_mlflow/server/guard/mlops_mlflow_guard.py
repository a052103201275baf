"""MLflow's stores, without experiments and workspaces whose artifacts are files of the server's machine.

MLflow lets every client choose where the artifacts of a new experiment go, and writes to its own disk for file:///... or a plain path. Runs, logged models
and traces follow their experiment, and a model version may name a local path only below the artifacts of its run, so the experiment alone has to be asked.
Experiments of a workspace follow that, where workspaces are enabled.
MLflow finds these stores by their entry points, in both of its servers. Its own builders of stores are private.
"""

import urllib.parse


def check(option, location):
    if location and urllib.parse.urlparse(location.strip()).scheme in ("", "file"):
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

        text = f"This server keeps no artifacts in local files, so {option} cannot be {location!r}: leave it out, or name a store"
        raise MlflowException(text, INVALID_PARAMETER_VALUE)


def tracking_store(store_uri, artifact_uri):
    from mlflow.server.handlers import TrackingStoreRegistryWrapper

    store = TrackingStoreRegistryWrapper._get_sqlalchemy_store(store_uri, artifact_uri)
    create = store.create_experiment

    def create_experiment(name, artifact_location=None, *arguments, **options):
        check("artifact_location", artifact_location)
        return create(name, artifact_location, *arguments, **options)

    store.create_experiment = create_experiment
    return store


def workspace_store(workspace_uri):
    from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(workspace_uri)
    store.create_workspace = checked(store.create_workspace)
    store.update_workspace = checked(store.update_workspace)
    return store


def checked(change):
    def change_checked(workspace, *arguments, **options):
        # The second is not in all versions.
        for option in ("default_artifact_root", "trace_archival_location"):
            check(option, getattr(workspace, option, None))
        return change(workspace, *arguments, **options)

    return change_checked
