"""Which experiments other settings strand, and how their places get another beginning, in databases that MLflow has made."""

from __future__ import annotations

import pytest
from testbed import ENVIRONMENTS, NEW, OLD, each, on

ENVIRONMENT = "/srv/artifacts.env"
LOCATIONS = {"s3://bucket": "mlflow-artifacts:/"}
# As COMMON_DATA has them, and what a model has beside them.
MODEL = """
INSERT INTO registered_models (name) VALUES ('model');
INSERT INTO model_versions (name, version, source, storage_location) VALUES ('model', 1, 's3://bucket/7/model', 's3://bucket-2/7/model');
INSERT INTO trace_tags ({key}, value, request_id) VALUES ('mlflow.artifactLocation', 's3://bucket/7/trace', 'trace')
"""
ROWS = {"experiments.artifact_location": 1, "runs.artifact_uri": 1, "model_versions.source": 1, "trace_tags.value": 1}


@pytest.fixture
def database(request, machine, kind):
    found = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
    for statement in MODEL.format(key="`key`" if kind == "mysql" else "key").split(";"):
        found.sql(statement)
    return found


def relocate(database, locations, check=False, version=OLD):
    return database.machine.run("mlflow_artifact_locations", {"virtualenv": f"{ENVIRONMENTS}/{version}", **database.options, "locations": locations}, check)


@each("debian12-postgresql", "debian13-mysql", "debian12-sqlite")
def test_all_places_begin_in_another_way_or_none(database, kind):
    foreseen = relocate(database, LOCATIONS, check=True)
    assert (foreseen["changed"], foreseen["rows"]) == (True, ROWS)
    assert database.sql("SELECT artifact_location FROM experiments WHERE experiment_id = 7") == "s3://bucket/7"
    done = relocate(database, LOCATIONS)
    assert (done["changed"], done["rows"], done["diff"]) == (True, ROWS, foreseen["diff"])
    assert database.sql("SELECT artifact_location FROM experiments WHERE experiment_id = 7") == "mlflow-artifacts:/7"
    assert database.sql("SELECT artifact_uri FROM runs") == "mlflow-artifacts:/7/run"
    assert database.sql("SELECT storage_location FROM model_versions") == "s3://bucket-2/7/model"
    again = relocate(database, LOCATIONS)
    assert (again["changed"], again["rows"]) == (False, {})
    assert relocate(database, {"mlflow-artifacts:/": "s3://bucket"})["rows"] == ROWS
    assert database.sql("SELECT source FROM model_versions") == "s3://bucket/7/model"


@on("debian13")
def test_places_that_a_column_cannot_hold_change_nothing(postgresql):
    """Found before the first row is written."""
    for check in (True, False):
        refused = relocate(postgresql, {"s3://bucket": "s3://" + "b" * 63 + "/" + "x" * 150}, check)
        assert refused.failed
        assert "1 places in runs.artifact_uri would be longer than the 200 characters that it takes" in refused.msg
    assert postgresql.sql("SELECT artifact_location FROM experiments WHERE experiment_id = 7") == "s3://bucket/7"


@on("debian13")
def test_what_other_settings_strand(postgresql):
    machine = postgresql.machine
    machine.host.check_output("printf %s > %s", 'MLFLOW_DEFAULT_ARTIFACT_ROOT="s3://bucket"\nMLFLOW_ARTIFACTS_DESTINATION="s3://bucket"\n', ENVIRONMENT)

    def judged(**settings):
        return machine.run("mlflow_artifact_info", {"virtualenv": f"{ENVIRONMENTS}/{NEW}", **postgresql.options, "environment_file": ENVIRONMENT, **settings})

    same = judged(artifacts_destination="s3://bucket", default_artifact_root="s3://bucket")
    assert (same["changed"], same["stranded"]) == (False, [])
    found = judged(artifacts_destination="s3://bucket")
    assert [one["examples"] for one in found["stranded"]] == [["précis (7)"]]
    assert found["plan"] == {"moves": [], "locations": LOCATIONS, "unplanned": []}
    assert judged(artifacts_destination="s3://other")["plan"]["moves"] == [{"source": "s3://bucket", "target": "s3://other"}]
    relocate(postgresql, LOCATIONS)
    (one,) = judged(artifacts_destination="s3://other")["stranded"]
    # That of the default experiment begins there, too, but it has no files.
    assert (one["root"], one["examples"]) == ("mlflow-artifacts:", ["précis (7)"])
