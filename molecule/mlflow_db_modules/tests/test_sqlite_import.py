"""What is in a SQLite file of a real MLflow comes to PostgreSQL whole, or is named row by row, or nothing happens."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import testbed
from testbed import ENVIRONMENTS, NEW, NEW_HEAD, Postgresql, Session, on, wait_until

FOLDER = "/srv/import"
SOURCE = f"{FOLDER}/mlflow.db"
MIGRATE = testbed.PROJECT / "playbooks/migrate_sqlite.yml"
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

FILL_AUTH = """
import os, sys
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore()
store.init_db(sys.argv[1])
store.create_user("first", "a long password", is_admin=True)
store.create_user("sécond", "a long password")
os._exit(0)
"""
GROW = """
import os, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
experiment = client.create_experiment("new")
run = client.create_run(experiment).info.run_id
client.log_metric(run, "m", 1.5)
client.create_registered_model("new")
client.create_model_version("new", "/srv/x", run_id=run)
assert client.get_run(run).data.metrics == {"m": 1.5}
assert client.search_runs([experiment])[0].info.run_id == run
print(experiment)
sys.stdout.flush()
os._exit(0)
"""
GROW_AUTH = """
import os, sys
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore()
store.init_db(sys.argv[1])
assert store.authenticate_user("sécond", "a long password")
print(store.create_user("new", "a long password").id)
sys.stdout.flush()
os._exit(0)
"""
# Experiments in folders have numbers of 18 digits.
FILL_FOLDER = """
import os, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
run = client.create_run(client.create_experiment("précis")).info.run_id
client.log_metric(run, "m", 0.1)
client.log_param(run, "p", "tab\\t")
client.log_text(run, "text", "a/b.txt")
client.create_registered_model("m")
client.create_model_version("m", "/srv/x", run_id=run)
os._exit(0)
"""
READ = """
import os, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
experiment = client.get_experiment_by_name("précis")
run, = client.search_runs([experiment.experiment_id])
assert (run.data.metrics, run.data.params) == ({"m": 0.1}, {"p": "tab\\t"})
assert client.get_model_version("m", "1").run_id == run.info.run_id
print(experiment.experiment_id, run.info.artifact_uri.replace(run.info.run_id, "RUN"))
sys.stdout.flush()
os._exit(0)
"""
# Each value of each column, read with nothing of the collection.
DIFFERENT = """
import collections, sqlite3, sys
import psycopg2, psycopg2.extras
psycopg2.extras.register_default_json(globally=True, loads=lambda text: text)
target = psycopg2.connect(sys.argv[2]).cursor()
source = sqlite3.connect(sys.argv[1])
def plain(value):
    if isinstance(value, memoryview):
        return bytes(value)
    return int(value) if isinstance(value, bool) else value.isoformat() if hasattr(value, "isoformat") else value
catalog = "information_schema.columns WHERE table_schema = 'public' AND is_generated = 'NEVER'"
target.execute(f"SELECT table_name, array_agg(column_name::text) FROM {catalog} GROUP BY 1")
tables = target.fetchall()
assert len(tables) > 5
for table, columns in tables:
    names = ", ".join(f'"{column}"' for column in columns)
    rows = [collections.Counter(repr([plain(value) for value in row]) for row in source.execute(f'SELECT {names} FROM "{table}"'))]
    target.execute(f'SELECT {names} FROM "{table}"')
    rows += [collections.Counter(repr([plain(value) for value in row]) for row in target)]
    if rows[0] != rows[1]:
        print(table, list((rows[0] - rows[1]).items())[:2], list((rows[1] - rows[0]).items())[:2])
"""


def python(machine, script, *arguments, version=NEW):
    """What a script prints that runs with an MLflow of the machine."""
    words = " ".join(["%s"] * len(arguments))
    environment = "MLFLOW_DISABLE_TELEMETRY=true GIT_PYTHON_REFRESH=quiet"
    return machine.host.check_output(f"cd {FOLDER}; {environment} {ENVIRONMENTS}/{version}/bin/python -c %s {words}", script, *arguments)


def checksum(machine, path=SOURCE):
    return machine.host.check_output("sha256sum %s", path).split()[0]


def spoil(machine, *statements, path=SOURCE):
    """Change a file in ways that SQLite lets pass."""
    script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('PRAGMA ignore_check_constraints = ON')\n"
    script += "for statement in sys.argv[2:]: c.execute(statement)"
    machine.host.check_output(" ".join(["python3 -c %s %s", *["%s"] * len(statements)]), script, path, *statements)


def rows_of(machine, path, names):
    return machine.host.check_output(" ".join(["python3 -c %s %s", *["%s"] * len(names)]), COUNT, path, *names).split()


@pytest.fixture(scope="session")
def made():
    """Makes a file by a version of MLflow, once for each host."""
    done = set()

    def make(machine, version=NEW, script=FILL, path=SOURCE):
        original = f"{FOLDER}/{version}-{len(script)}.db"
        if (machine.name, original) not in done:
            machine.host.check_output("mkdir -p %s; rm -f %s", FOLDER, original)
            python(machine, script, f"sqlite:///{original}", json.dumps(AWKWARD), version=version)
            done.add((machine.name, original))
        machine.host.check_output("cp %s %s", original, path)

    return make


@pytest.fixture
def target(machine):
    database = Postgresql(machine, "imported")
    database.create()
    return database


def bring(machine, target, check=False, **options):
    return machine.run("mlflow_sqlite_import", {"virtualenv": f"{ENVIRONMENTS}/{NEW}", **target.options, "source": SOURCE, **options}, check)


def different(machine, target, path):
    return python(machine, DIFFERENT, path, target.uri.replace("+psycopg2", ""))


def tables(target):
    return int(target.sql("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace"))


@pytest.mark.parametrize(("machine", "version"), [("debian12", OLDEST), ("debian13", NEW)], indirect=["machine"])
def test_all_of_it_arrives(machine, target, made, version):
    made(machine, version)
    before = checksum(machine)
    imported = bring(machine, target)
    assert (imported["changed"], imported["findings"], imported["current_revision"]) == (True, [], NEW_HEAD)
    assert {table["name"]: table["rows"] for table in imported["tables"]}["metrics"] == 2000
    assert checksum(machine) == before
    assert machine.files(FOLDER).count("mlflow.db") == 1
    # The same as MLflow's own upgrade of a copy, value by value.
    machine.host.check_output("cp %s %s/upgraded.db", SOURCE, FOLDER)
    machine.run("mlflow_db_upgrade", {"virtualenv": f"{ENVIRONMENTS}/{NEW}", "driver": "sqlite", "login_db": f"{FOLDER}/upgraded.db"})
    assert different(machine, target, f"{FOLDER}/upgraded.db") == ""
    again = bring(machine, target)
    assert (again["changed"], again["tables"]) == (False, imported["tables"])
    # A comparison that finds nothing has to find this.
    row = "(SELECT ctid FROM metrics WHERE value BETWEEN 0.3 AND 0.34 LIMIT 1)"
    target.sql(f"UPDATE metrics SET value = value + 1e-15 WHERE ctid = {row}")
    refused = bring(machine, target)
    assert refused.failed
    assert refused.msg.endswith("in: metrics")
    assert different(machine, target, f"{FOLDER}/upgraded.db").startswith("metrics ")
    # The deleted experiment has the greatest number so far.
    assert python(machine, GROW, target.uri).splitlines()[-1] == "3"
    assert target.sql("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated") == "57"


@on("debian12")
def test_logins_arrive(machine, target, made):
    made(machine, NEW, FILL_AUTH)
    imported = bring(machine, target, component="auth")
    assert (imported["changed"], imported["findings"]) == (True, [])
    assert different(machine, target, SOURCE) == ""
    assert python(machine, GROW_AUTH, target.uri).splitlines()[-1] == "3"


# Of a deleted trace SQLite keeps what belongs to it, unless foreign keys are on.
ORPHANS = ["INSERT INTO tags (key, value, run_uuid) VALUES ('lost', CAST(X'ff00' AS TEXT), 'gone')", "DELETE FROM trace_info"]
ORPHANED = ["spans", "trace_request_metadata", "trace_tags"]
COUNT = "import sqlite3, sys\nfor name in sys.argv[2:]: print(sqlite3.connect(sys.argv[1]).execute(f'SELECT count(*) FROM {name}').fetchone()[0])"
INVALID = [
    "UPDATE params SET value = CAST(X'61ff62' AS TEXT) WHERE rowid = (SELECT min(rowid) FROM params)",
    "UPDATE experiment_tags SET value = 'a' || char(0) || 'b'",
    """UPDATE evaluation_dataset_records SET inputs = '{"NaN": NaN, "b": [-Infinity, "Infinity"]}'""",
]
UNFIT = {
    "UPDATE model_versions SET version = 1099511627776": "1099511627776 does not fit into the type integer",
    "UPDATE runs SET artifact_uri = printf('%.*c', 201, 'x') WHERE rowid = 3": "201 characters, and 200 are possible",
    "UPDATE experiments SET creation_time = 'yesterday' WHERE experiment_id = 2": "text in place of a number",
    "UPDATE registered_models SET description = X'00ff'": "binary data in place of text",
    "UPDATE evaluation_dataset_records SET tags = '{'": "no valid JSON",
}
HUGE = "UPDATE workspaces SET description = printf('%.*c', 5000000, char(10)) || 'é'"


def told(result):
    return sorted((finding["table"], finding["action"]) for finding in result["findings"])


@on("debian13")
def test_what_postgresql_would_not_take_is_named(machine, target, made):
    made(machine)
    spoil(machine, *ORPHANS, *INVALID, HUGE)
    before = checksum(machine)
    lost_rows = dict(zip(ORPHANED, map(int, rows_of(machine, SOURCE, ORPHANED))))
    assert lost_rows["spans"] == 2
    orphans = ["tags", *(table for table, n in lost_rows.items() for _row in range(n))]
    invalid = ["evaluation_dataset_records", "experiment_tags", "params"]
    refused = bring(machine, target)
    assert refused.failed
    # The key of the lost tag has a problem of its own.
    assert told(refused) == sorted((table, "refused") for table in [*orphans, *invalid, "tags"])
    assert refused["findings_total"] == len(refused["findings"])
    (lost,) = (finding for finding in refused["findings"] if finding["table"] == "tags" and not finding["column"])
    assert lost["key"] == {"key": "lost", "run_uuid": "gone"}
    assert tables(target) == 0
    aside = f"{FOLDER}/aside.db"
    machine.host.check_output("rm -f %s", aside)
    roots = {"/srv/mlruns/": "s3://bucket/a", "/srv": "mlflow-artifacts:/", "/srv/mlruns/1/models": "/models"}
    choices = {"orphans": "keep_aside", "aside": aside, "invalid_text": "replace", "artifact_roots": roots}
    imported = bring(machine, target, **choices)
    assert not imported.failed, imported.msg
    assert told(imported) == sorted([*((table, "kept aside") for table in orphans), *((table, "replaced") for table in invalid)])
    assert rows_of(machine, aside, ["tags", *ORPHANED]) == ["1", *map(str, lost_rows.values())]
    assert machine.host.file(aside).mode == 0o600
    assert target.sql("SELECT string_agg(value, '') FROM params WHERE value LIKE 'a_b'") == "a\ufffdb"
    assert target.sql("SELECT value FROM experiment_tags") == "a\ufffdb"
    assert target.sql("SELECT inputs FROM evaluation_dataset_records") == '{"NaN": null, "b": [null, "Infinity"]}'
    assert target.sql("SELECT md5(description) = md5(repeat(chr(10), 5000000) || 'é') FROM workspaces") == "t"
    assert target.sql("SELECT artifact_location FROM experiments WHERE experiment_id > 0 ORDER BY 1") == "mlflow-artifacts:/mlruns-other/2\ns3://bucket/a/1"
    assert target.sql("SELECT DISTINCT left(artifact_uri, 15) FROM runs") == "s3://bucket/a/1"
    assert target.sql("SELECT source FROM model_versions") == "/models/x"
    # Three experiments, their runs, a model, its version with two places, a trace.
    assert imported["artifacts_moved"] == 27
    assert checksum(machine) == before
    assert machine.files(FOLDER).count("mlflow.db") == 1


@on("debian13")
def test_what_cannot_be_repaired_is_never_left_out(machine, target, made):
    made(machine)
    spoil(machine, *UNFIT)
    refused = bring(machine, target, orphans="drop", invalid_text="replace")
    assert refused.failed
    problems = sorted(finding["problem"] for finding in refused["findings"])
    assert len(problems) == len(UNFIT)
    for problem in UNFIT.values():
        assert any(text.startswith(problem) for text in problems), problem
    assert tables(target) == 0


@on("debian12")
def test_a_failure_in_the_middle_changes_nothing(machine, target, made, sessions, threads):
    """A table that has lost its foreign keys hides an orphan from SQLite. PostgreSQL sees it when all has been copied."""
    made(machine)
    spoil(machine, "CREATE TABLE other AS SELECT * FROM tags", "DROP TABLE tags", "ALTER TABLE other RENAME TO tags", ORPHANS[0].replace("X'ff00'", "'x'"))
    before = checksum(machine)
    failed = bring(machine, target)
    assert failed.failed
    assert "violates foreign key constraint" in failed.msg
    assert tables(target) == 0
    assert checksum(machine) == before
    made(machine)
    machine.upgrade(target)
    session = sessions(target.session())
    session.ask("BEGIN; LOCK TABLE tags IN SHARE MODE")
    running = threads.submit(bring, machine, target)
    wait_until(target.waiting, "the import")
    machine.kill_upgrader()
    assert "killed by signal 9" in running.result().msg
    session.ask("ROLLBACK")
    assert target.sql("SELECT count(*) FROM experiments") == "0"
    assert bring(machine, target)["changed"]


@on("debian13")
def test_refused_before_anything_changes(machine, target, made, sessions):
    made(machine)
    user = sessions(Session(machine.name, ["python3", "-c", "import sys; f = open(sys.argv[1]); print('done', flush=True); sys.stdin.read()", SOURCE]))
    assert user.process.stdout.readline() == "done\n"
    refused = bring(machine, target)
    assert "in use by process" in refused.msg
    user.close()
    spoil(machine, "CREATE TABLE somebody_elses (n INTEGER)")
    assert "MLflow knows no table somebody_elses" in bring(machine, target).msg
    spoil(machine, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert "is newer than this MLflow" in bring(machine, target).msg
    assert tables(target) == 0
    machine.host.check_output("echo text > %s", SOURCE)
    assert "is no SQLite file" in bring(machine, target).msg
    made(machine)
    machine.upgrade(target)
    target.sql("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (0, 'Default', 'active')")
    foretold = bring(machine, target, check=True)
    assert (foretold["changed"], foretold["findings"]) == (True, [])
    assert {table["name"]: table["rows"] for table in foretold["tables"]}["metrics"] == 2000
    assert target.sql("SELECT count(*) FROM experiments") == "1"
    target.sql("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'x', 'active')")
    assert "is not empty" in bring(machine, target).msg


@on("debian13")
def test_a_folder_arrives_by_the_playbook(machine, target, tmp_path):
    folder = f"{FOLDER}/mlruns"
    machine.host.check_output("rm -rf %s; mkdir -p %s %s/venvs; ln -sfn ../%s %s/venvs/%s", folder, folder, ENVIRONMENTS, NEW, ENVIRONMENTS, NEW)
    machine.host.check_output(f"MLFLOW_ALLOW_FILE_STORE=true {ENVIRONMENTS}/{NEW}/bin/python -c %s %s 2>&1", FILL_FOLDER, f"file://{folder}")
    files = f"cd {folder}; find . -type f | sort | xargs -d '\\n' sha256sum"
    before = machine.host.check_output(files)
    options = {"large_experiments": "renumber", "artifact_roots": {f"file://{folder}": "mlflow-artifacts:/"}}
    variables = {"migrate_host": machine.name, "migrate_source": folder, "migrate_options": options, "mlflow_server_version": NEW}
    variables |= {"mlflow_server_base_dir": ENVIRONMENTS, "mlflow_server_backend_store_uri": target.uri}
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], "--extra-vars", f"@{tmp_path}/variables.json", MIGRATE],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(testbed.PROJECT / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is 1 from now on" in done.stdout
    number, artifacts = python(machine, READ, target.uri).splitlines()[-1].split()
    assert number == "1"
    assert re.fullmatch(r"mlflow-artifacts:/\d{18}/RUN/artifacts", artifacts)
    assert machine.host.check_output(files) == before
