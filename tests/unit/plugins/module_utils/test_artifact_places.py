"""Which experiments other settings strand, what is planned for them, and how places get another beginning."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_places import PROXIED, Settings, plan, read_experiments, rewrite, settings_of, stranded
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection

STORE, FRONT = "http://127.0.0.1:9000", "https://store.example.com"
BUCKET = Settings(serves=True, destination="s3://mlflow", root="", endpoint=STORE, public="")
PRESIGNED = BUCKET._replace(public=FRONT)
DIRECT = PRESIGNED._replace(root="s3://mlflow")
UNSERVED = Settings(serves=False, destination="", root="s3://mlflow", endpoint=STORE, public="")
OTHER = BUCKET._replace(destination="s3://other")
ELSEWHERE = BUCKET._replace(endpoint="https://s3.example.com")
FOLDER = Settings(serves=True, destination="/var/lib/mlflow/artifacts", root="", endpoint="", public="")
LOCAL = FOLDER._replace(root="file:///var/lib/mlflow/artifacts")

# An empty one, one with files, and two that clients reach with keys of their own.
EXPERIMENTS = {
    "proxied": [(0, "Default", "mlflow-artifacts:/0"), (1, "vision", "mlflow-artifacts:/1")],
    "direct": [(0, "Default", "s3://mlflow/0"), (1, "vision", "s3://mlflow/1")],
    "own": [(2, "own", "s3://own/2"), (3, "host", "mlflow-artifacts://other.example.com/3"), (4, "elsewhere", "gs://bucket/4")],
    "local": [(1, "vision", "file:///var/lib/mlflow/artifacts/1")],
    # As long as the bucket, and another one.
    "near": [(5, "near", "s3://mlflow-2/5")],
}


def judged(former, wanted, *kinds):
    experiments = [one for kind in kinds for one in EXPERIMENTS[kind]]
    return stranded(experiments, lambda: {1}, former, wanted)


@pytest.mark.parametrize(
    ("former", "wanted", "kinds"),
    [
        *[(settings, settings, EXPERIMENTS) for settings in (BUCKET, PRESIGNED, DIRECT, UNSERVED._replace(serves=True), OTHER, ELSEWHERE, FOLDER, LOCAL)],
        # What only adds a way, or another one to the same store.
        (BUCKET, PRESIGNED, EXPERIMENTS),
        (PRESIGNED, BUCKET, ["proxied", "own", "near"]),
        (BUCKET, DIRECT, EXPERIMENTS),
        (DIRECT, PRESIGNED, EXPERIMENTS),
        # Direct before, and stranded with the word for it: it is no news.
        (BUCKET, PRESIGNED, ["direct"]),
        (BUCKET, BUCKET._replace(endpoint="https://127.0.0.1:9000"), EXPERIMENTS),
        (FOLDER, FOLDER._replace(destination="file:///var/lib/mlflow/artifacts/"), EXPERIMENTS),
        # A host that has run no server yet, and a database that has nothing in it.
        (None, BUCKET, EXPERIMENTS),
        (BUCKET, OTHER, []),
    ],
)
def test_nothing_is_stranded(former, wanted, kinds):
    assert judged(former, wanted, *kinds) == []


@pytest.mark.parametrize(
    ("former", "wanted", "kinds", "names", "reason"),
    [
        (BUCKET, OTHER, ["proxied"], ["vision (1)"], "the files are in s3://mlflow at http://127.0.0.1:9000, and MLflow would look for them in s3://other"),
        (BUCKET, ELSEWHERE, ["proxied"], ["vision (1)"], "look for them in s3://mlflow at https://s3.example.com"),
        (FOLDER, BUCKET, ["proxied"], ["vision (1)"], "the files are in /var/lib/mlflow/artifacts"),
        (BUCKET, UNSERVED, ["proxied"], ["Default (0)", "vision (1)"], "it would serve no artifacts"),
        (None, UNSERVED, ["proxied"], ["Default (0)", "vision (1)"], "it would serve no artifacts"),
        (DIRECT, BUCKET, ["direct"], ["Default (0)", "vision (1)"], "would have no way to it"),
        (UNSERVED, BUCKET, ["direct"], ["Default (0)", "vision (1)"], "would have no way to it"),
        (DIRECT, DIRECT._replace(root="s3://new", destination="s3://new"), ["direct"], ["Default (0)", "vision (1)"], "access to s3://new and s3://new alone"),
        (DIRECT, ELSEWHERE, ["direct"], ["Default (0)", "vision (1)"], "MLflow would ask https://s3.example.com"),
        (LOCAL, BUCKET, ["local"], ["vision (1)"], "access to s3://mlflow alone"),
    ],
)
def test_what_is_stranded_is_named(former, wanted, kinds, names, reason):
    (one,) = judged(former, wanted, *kinds)
    assert (one["examples"], one["experiments"]) == (names, len(names))
    assert reason in one["reason"]
    assert one["text"].startswith(f"{len(names)} experiments in {one['root']}, such as {', '.join(names)}: ")


@pytest.mark.parametrize(
    ("former", "wanted", "kinds", "moves", "locations"),
    [
        (BUCKET, OTHER, ["proxied"], [("s3://mlflow", "s3://other")], {}),
        (FOLDER, BUCKET, ["proxied"], [("/var/lib/mlflow/artifacts", "s3://mlflow")], {}),
        (BUCKET, UNSERVED, ["proxied"], [], {"mlflow-artifacts:/": "s3://mlflow"}),
        (FOLDER, UNSERVED, ["proxied"], [("/var/lib/mlflow/artifacts", "s3://mlflow")], {"mlflow-artifacts:/": "s3://mlflow"}),
        (DIRECT, BUCKET, ["direct"], [], {"s3://mlflow": "mlflow-artifacts:/"}),
        (DIRECT._replace(root="s3://mlflow/1"), BUCKET, ["direct"], [], {"s3://mlflow/1": "mlflow-artifacts:/1", "s3://mlflow": "mlflow-artifacts:/"}),
        (DIRECT, OTHER, ["direct"], [("s3://mlflow", "s3://other")], {"s3://mlflow": "mlflow-artifacts:/"}),
        (
            DIRECT,
            DIRECT._replace(root="s3://new/a", destination="s3://new"),
            ["proxied", "direct"],
            [("s3://mlflow", "s3://new"), ("s3://mlflow", "s3://new/a")],
            {"s3://mlflow": "s3://new/a"},
        ),
        (
            LOCAL,
            BUCKET,
            ["local"],
            [("file:///var/lib/mlflow/artifacts", "s3://mlflow")],
            {"/var/lib/mlflow/artifacts": "mlflow-artifacts:/", "file:///var/lib/mlflow/artifacts": "mlflow-artifacts:/"},
        ),
    ],
)
def test_the_way_out(former, wanted, kinds, moves, locations):
    found = plan(judged(former, wanted, *kinds), former, wanted)
    assert [(move["source"], move["target"]) for move in found["moves"]] == moves
    assert found["locations"] == locations
    assert found["unplanned"] == []


def test_files_in_a_store_that_the_server_does_not_know_are_not_planned():
    found = plan(judged(BUCKET, ELSEWHERE, "own"), BUCKET, ELSEWHERE)
    assert found == {"moves": [], "locations": {}, "unplanned": ["s3://own"]}


def test_settings_are_read_as_the_server_reads_them():
    assert settings_of({}) is None
    assert settings_of({"MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow", "MLFLOW_S3_ENDPOINT_URL": STORE, "MLFLOW_SERVE_ARTIFACTS": "true"}) == BUCKET
    assert settings_of({"MLFLOW_SERVE_ARTIFACTS": "false", "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://mlflow", "MLFLOW_S3_ENDPOINT_URL": STORE}) == UNSERVED


@pytest.fixture
def database(tmp_path):
    with Connection(f"sqlite:///{tmp_path}/mlflow.db") as connection:
        connection.rows("CREATE TABLE experiments (number INTEGER, artifact_location TEXT)")
        connection.rows("CREATE TABLE trace_tags (key TEXT, value TEXT)")
        yield connection


def test_what_the_smoke_test_leaves_has_no_files(tmp_path):
    with Connection(f"sqlite:///{tmp_path}/mlflow.db") as connection:
        connection.rows("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT, lifecycle_stage TEXT)")
        rows = [("a", "deleted"), ("smoke-test-1", "deleted"), ("smoke-test-2", "active")]
        for number, (name, stage) in enumerate(rows):
            connection.change("INSERT INTO experiments VALUES (%s, %s, %s, %s)", (number, name, "s3://mlflow/x", stage))
        assert read_experiments(connection) == [(0, "a", "s3://mlflow/x"), (2, "smoke-test-2", "s3://mlflow/x")]


def places(database, *given):
    for number, place in enumerate(given):
        database.change("INSERT INTO experiments VALUES (%s, %s)", (number, place))
    return lambda: [row[0] for row in database.rows("SELECT artifact_location FROM experiments ORDER BY number")]


def test_the_longest_beginning_counts_and_whole_parts_alone(database):
    now = places(database, "/a/b/1", "/a/1", "/ab/1", "/a", None, "/a/")
    database.rows("INSERT INTO trace_tags VALUES ('mlflow.artifactLocation', '/a/t'), ('mlflow.trace.archiveLocation', '/a/u'), ('other', '/a/t')")
    locations = {"/a/": "mlflow-artifacts:/", "/a/b": "s3://bucket/x/"}
    wanted = {"experiments.artifact_location": 4, "trace_tags.value": 2}
    assert rewrite(database, locations, only_count=True) == wanted
    assert now() == ["/a/b/1", "/a/1", "/ab/1", "/a", None, "/a/"]
    assert rewrite(database, locations) == wanted
    assert now() == ["s3://bucket/x/1", "mlflow-artifacts:/1", "/ab/1", "mlflow-artifacts:/", None, "mlflow-artifacts:/"]
    assert [row[0] for row in database.rows("SELECT value FROM trace_tags ORDER BY key")] == ["mlflow-artifacts:/t", "mlflow-artifacts:/u", "/a/t"]
    assert rewrite(database, locations) == {}
    assert rewrite(database, {}) == {}


def test_a_host_after_the_scheme_is_no_place_below(database):
    now = places(database, "mlflow-artifacts:/1", f"{PROXIED}//host.example.com/2")
    rewrite(database, {f"{PROXIED}/": "s3://bucket"})
    assert now() == ["s3://bucket/1", "mlflow-artifacts://host.example.com/2"]


def test_signs_of_sql_are_text(database):
    now = places(database, "s3://a%_'b/1", "s3://aXYZb/1")
    rewrite(database, {"s3://a%_'b": "s3://%s'"})
    assert now() == ["s3://%s'/1", "s3://aXYZb/1"]
