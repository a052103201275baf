"""Deletes for good what clients have deleted: MLflow's own `mlflow gc`, with three differences.

Artifacts are deleted where they are, not through the server, which may listen on a socket or ask for a certificate. A backup or a change of the schema
that is under way keeps it from beginning. And it can say what would go.

Usage: cleanup.py DAYS [--dry-run] [--metrics FILE]       With the environment of the server.
"""

import argparse
import contextlib
import fcntl
import io
import os
import sys
import time
from urllib.parse import urlsplit

# Whoever changes the schema holds the first alone, a backup shares the second.
LOCKS = {
    "postgresql": ["SELECT pg_try_advisory_lock_shared(7110364021)", "SELECT pg_try_advisory_lock(7110364022)"],
    "mysql": ["SELECT GET_LOCK(CONCAT('7110364021.', MD5(DATABASE())), 0)"],
}
DONE = "has been permanently deleted"


@contextlib.contextmanager
def locked(uri):
    """Whether nothing else is at work that needs what is there."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.pool.NullPool)
    if engine.dialect.name == "sqlite":
        folder = os.open(os.path.dirname(os.path.abspath(engine.url.database)), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        try:
            yield free
        finally:
            os.close(folder)
        return
    with engine.connect() as connection:
        # They go with the connection.
        yield all(connection.execute(sqlalchemy.text(statement)).scalar() for statement in LOCKS.get(engine.dialect.name, []))


class Artifacts:
    """What a run or a model has in the store."""

    def __init__(self, uri):
        self.uri = uri

    def delete_artifacts(self):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = urlsplit(self.uri)
        if place.scheme == "mlflow-artifacts":
            get_artifact_repository(os.environ["MLFLOW_ARTIFACTS_DESTINATION"]).delete_artifacts(place.path.strip("/"))
        else:
            get_artifact_repository(self.uri).delete_artifacts()


class Untouched(Artifacts):
    def delete_artifacts(self):
        pass


class ReadOnly:
    """A store that keeps what it is asked to delete."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def keep(self, _id):
        pass

    _hard_delete_run = _hard_delete_logged_model = _hard_delete_experiment = keep


def note_success(path):
    """For a collector of metrics that reads files, which never sees half of one."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(f"# TYPE mlflow_gc_last_success_timestamp_seconds gauge\nmlflow_gc_last_success_timestamp_seconds {time.time():.0f}\n")
        os.fchmod(file.fileno(), 0o644)
    os.replace(file.name, path)


def main():
    from mlflow import cli

    parser = argparse.ArgumentParser()
    parser.add_argument("days", type=int)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--metrics")
    options = parser.parse_args()
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    get_store = cli._get_store
    cli._get_store = lambda *place: ReadOnly(get_store(*place)) if options.dry_run else get_store(*place)
    cli.get_artifact_repository = Untouched if options.dry_run else Artifacts
    said = io.StringIO()
    with locked(uri) as free:
        if not free:
            sys.stdout.write("A backup, a change of the schema or another of these is at work: nothing was deleted this time.\n")
            return
        try:
            with contextlib.redirect_stdout(said):
                # It wants a tracking server, for the artifacts that it deletes through one.
                cli.cli(["gc", "--older-than", f"{options.days}d", "--backend-store-uri", uri, "--tracking-uri", uri], standalone_mode=False)
        finally:
            sys.stdout.write(said.getvalue().replace(DONE, "would be deleted") if options.dry_run else said.getvalue())
    if options.metrics and not options.dry_run:
        note_success(options.metrics)


if __name__ == "__main__":
    main()
