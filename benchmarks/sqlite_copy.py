"""How fast mlflow_sqlite_import and pgloader bring one SQLite file to PostgreSQL, in turns, on a machine of the scenario mlflow_db_modules.

Usage: molecule converge -s mlflow_db_modules; .venv/bin/python benchmarks/sqlite_copy.py [metrics] [rounds]

Both find the schema that MLflow has made. The module's time is all of it: copy of the file, examination, transaction, comparison. pgloader compares nothing.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import yaml

MACHINE = "mlflow_db_modules-debian13"
DEFAULTS = Path(__file__).parents[1] / "roles/mlflow_server/defaults/main.yml"
PYTHON = f"/opt/mlflow/{yaml.safe_load(DEFAULTS.read_text())['mlflow_server_version']}/bin/python"
FOLDER, USER = "/srv/sqlite_copy", "loader"
FILL = """
import random, sqlite3, sys, uuid
import sqlalchemy
from mlflow.store.db import utils
path, metrics = sys.argv[1], int(sys.argv[2])
utils._initialize_tables(sqlalchemy.create_engine(f"sqlite:///{path}"))
source = sqlite3.connect(path)
source.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage, workspace) VALUES (1, 'one', 'active', 'default')")
runs = [uuid.uuid4().hex for run in range(300)]
statement = "INSERT INTO runs (run_uuid, name, experiment_id, status, lifecycle_stage, source_type) VALUES (?, 'run', 1, 'FINISHED', 'active', 'LOCAL')"
source.executemany(statement, ([run] for run in runs))
rows = ((f"metric {n % 17}", random.random(), 1700000000000 + n, runs[n % 300], n // 300) for n in range(metrics))
source.executemany("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)", rows)
source.commit()
"""
SCHEMA = "import sqlalchemy, sys; from mlflow.store.db import utils; utils._initialize_tables(sqlalchemy.create_engine(sys.argv[1]))"
LOAD = """
LOAD DATABASE FROM sqlite://{path} INTO postgresql://{user}:{user}@127.0.0.1/{database}
WITH data only, truncate, reset sequences, downcase identifiers EXCLUDING TABLE NAMES LIKE 'alembic_version';
"""


def run(*argv: str, text: str = "") -> str:
    environment = ("--env", "MLFLOW_DISABLE_TELEMETRY=true")
    done = subprocess.run(["docker", "exec", "--interactive", *environment, MACHINE, *argv], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def sql(statement: str) -> str:
    return run("runuser", "-u", "postgres", "--", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", text=statement).strip()


def fresh(database: str) -> str:
    """An empty database with the schema; returns its URI."""
    sql(f"DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database} OWNER {USER} TEMPLATE sqlite_copy_schema;\nCHECKPOINT;")
    return f"postgresql+psycopg2://{USER}:{USER}@127.0.0.1/{database}"


def by_pgloader(path: str) -> float:
    fresh("by_pgloader")
    run("sh", "-c", f"cat > {FOLDER}/load", text=LOAD.format(path=path, user=USER, database="by_pgloader"))
    start = time.monotonic()
    output = run("pgloader", f"{FOLDER}/load")
    seconds = time.monotonic() - start
    if re.search("ERROR|FATAL", output):
        sys.exit(output)
    return seconds


def by_module(path: str) -> float:
    uri = fresh("by_module")
    options = f"source={path} backend_store_uri={uri} virtualenv={os.path.dirname(os.path.dirname(PYTHON))}"
    argv = ["ansible", MACHINE, "--inventory", f"{MACHINE},", "--connection", "community.docker.docker", "--module-name", "mlops.mlflow.mlflow_sqlite_import"]
    done = subprocess.run([*argv, "--args", options, "--one-line"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    answer: dict[str, t.Any] = json.loads(done.stdout.partition("=>")[2])
    return float(answer["seconds"])


def main() -> None:
    metrics, rounds = (int(word) for word in (*sys.argv[1:3], *("1000000", "3")[len(sys.argv) - 1 :]))
    run("sh", "-c", "command -v pgloader > /dev/null || apt-get install --yes --no-install-recommends pgloader")
    run("sh", "-c", f"rm -rf {FOLDER} && mkdir {FOLDER}")
    run(PYTHON, "-c", FILL, f"{FOLDER}/source.db", str(metrics))
    for name in ("by_module", "by_pgloader", "sqlite_copy_schema"):
        sql(f"DROP DATABASE IF EXISTS {name}")
    sql(f"DROP ROLE IF EXISTS {USER};\nCREATE ROLE {USER} LOGIN PASSWORD '{USER}';\nCREATE DATABASE sqlite_copy_schema OWNER {USER};")
    run(PYTHON, "-c", SCHEMA, f"postgresql+psycopg2://{USER}:{USER}@127.0.0.1/sqlite_copy_schema")
    times: dict[str, list[float]] = {"pgloader": [], "mlflow_sqlite_import": []}
    for _round in range(rounds):
        times["pgloader"].append(by_pgloader(f"{FOLDER}/source.db"))
        times["mlflow_sqlite_import"].append(by_module(f"{FOLDER}/source.db"))
    for name, seconds in times.items():
        print(
            f"{name}: {statistics.median(seconds):.1f} s, {metrics / statistics.median(seconds):.0f} metrics/s ({', '.join(f'{time:.1f}' for time in seconds)})"
        )


if __name__ == "__main__":
    main()
