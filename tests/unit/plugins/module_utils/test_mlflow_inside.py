# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in _mlflow agrees with the files that say the same in another form. tests/contract asks MLflow itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.filter.locked_versions import locked_versions
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import addons, environment, routes, sizes

ROOT = Path(__file__).parents[4]
INSIDE = ROOT / "plugins/module_utils/_mlflow"
ROLE = ROOT / "roles/mlflow_server"
LOCKS = ROLE / "files/locks"
OPTIONS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
# Of the environment, these are the role's own and may have another value.
FREE = {"AWS_EC2_METADATA_DISABLED", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION", "MALLOC_ARENA_MAX", "TMPDIR"}
FREE |= {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"}


def test_the_readme_has_a_line_for_each_file():
    rows = re.findall(r"^\| `([^`]+)` .*\| ([^|]+) \|$", (INSIDE / "README.md").read_text(), re.MULTILINE)
    files = {
        path.relative_to(INSIDE).as_posix()
        for path in [*INSIDE.glob("*.py"), *(INSIDE / "server").iterdir()]
        if path.name not in ("__init__.py", "__pycache__")
    }
    assert {name.rstrip("/") for name, _checks in rows} == files
    checks = set(re.findall("check_[a-z_0-9]+", (INSIDE / "README.md").read_text()))
    assert checks == set(re.findall(r"^def (check_[a-z_0-9]+)", (ROOT / "tests/contract/contract.py").read_text(), re.MULTILINE))


@pytest.mark.parametrize(("name", "packages"), [("", addons.SERVER), *((f"-{name}", packages) for name, packages in addons.ADDONS.items())])
def test_packages_are_those_of_the_locks(name, packages):
    lines = (ROOT / f"requirements/mlflow{name}.in").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == list(packages)
    for version in [version for version in locked_versions(str(LOCKS)) if name != "-oidc" or version != "3.12.0"]:
        lock = (LOCKS / version / f"{name.removeprefix('-') or 'server'}.txt").read_text().lower()
        for package in packages:
            assert re.search(rf"^{re.escape(package.lower())}==", lock, re.MULTILINE), f"{package} in the lock of {version}"


def test_addons_can_be_chosen():
    assert OPTIONS["mlflow_server_addons"]["choices"] == sorted(addons.ADDONS)
    assert {path.stem.partition("-")[2] for path in (ROOT / "requirements").glob("mlflow-*.in")} == addons.ADDONS.keys()
    assert {*addons.DATABASES, *addons.ARTIFACTS.values()} <= addons.ADDONS.keys()


@pytest.mark.parametrize(("version", "sqlalchemy"), [("3.8.1", ["sqlalchemy<2.1"]), ("3.10.0", []), ("3.9.0rc1", []), ("2.22.5", ["sqlalchemy<2.1"])])
def test_requirements_of_a_version_without_a_lock(version, sqlalchemy):
    lines = addons.requirements(version, ["azure"]).splitlines()
    parts = [f"mlflow=={version}", f"mlflow-skinny=={version}", f"mlflow-tracing=={version}"]
    assert lines == [*parts, *sqlalchemy, "boto3", "psycopg2-binary", "uvloop", "azure-identity", "azure-storage-blob"]


def test_what_the_role_sets_cannot_be_set_in_another_way():
    names = set()
    for path in ROLE.glob("templates/**/mlflow.*.j2"):
        names |= {one or other for one, other in re.findall(r"^(?:  '([A-Z][A-Z0-9_]+)': |([A-Z][A-Z0-9_]+)=)", path.read_text(), re.MULTILINE)}
    parts = (environment.FROM_VARIABLES, environment.FROM_S3_VARIABLES, environment.FROM_OIDC_VARIABLES)
    variables = {name: variable for part in (*parts, environment.FROM_AZURE_VARIABLES, environment.FROM_GCS_VARIABLES) for name, variable in part.items()}
    assert names - FREE == variables.keys()
    assert set(variables.values()) <= OPTIONS.keys()


def test_the_variable_is_named_where_the_role_sets_it():
    given = {"AWS_DEFAULT_REGION": "x", "MLFLOW_PORT": 1, "MLFLOW_WORKSPACE": "x"}
    assert environment.taken_names(given, s3=True) == ["AWS_DEFAULT_REGION (set mlflow_server_s3_region)", "MLFLOW_PORT (set mlflow_server_port)"]
    assert environment.taken_names(given, s3=False) == ["MLFLOW_PORT (set mlflow_server_port)"]
    keys = {"GOOGLE_APPLICATION_CREDENTIALS": "/x", "AZURE_STORAGE_ACCESS_KEY": "x"}
    assert environment.taken_names(keys, s3=True) == []
    assert environment.taken_names(keys, s3=False, gcs=True) == ["GOOGLE_APPLICATION_CREDENTIALS (set mlflow_server_gcs_credentials)"]
    assert environment.taken_names(keys, s3=False, azure=True) == ["AZURE_STORAGE_ACCESS_KEY (set mlflow_server_azure_storage_access_key)"]


def test_names_are_allowed_with_and_without_a_port():
    assert environment.allowed_hosts([]) == []
    found = environment.allowed_hosts(["a.example", "*.b.example", "c.example:8443"])
    assert sorted({*found} - {*environment.LOCAL}) == ["*.b.example", "a.example", "a.example:*", "c.example:8443"]


@pytest.mark.parametrize(
    ("kind", "prefix", "path", "is_of_it"),
    [
        ("small", "", "/api/2.0/mlflow/runs/search", True),
        ("small", "", "/x/api/2.0/mlflow/runs/search", False),
        ("small", "/m.l", "/m.l/api/2.0/mlflow/runs/search", True),
        ("small", "/m.l", "/mxl/api/2.0/mlflow/runs/search", False),
        ("small", "/m.l", "/api/2.0/mlflow/runs/search", False),
        ("streamed", "/m.l", "/api/2.0/mlflow-artifacts/artifacts/a", True),
        ("fastapi", "/m.l", "/m.l/v1/traces", True),
        ("fastapi", "/m.l", "/v1/traces", True),
        ("buffered", "", "/get-artifact", True),
        ("buffered", "", "/get-artifacts", False),
    ],
)
def test_paths_begin_at_the_prefix(kind, prefix, path, is_of_it):
    assert bool(re.search(routes.pattern(kind, prefix), path)) == is_of_it


@pytest.mark.parametrize(
    ("facts", "workers"),
    [
        ({}, 2),
        ({"processor_vcpus": 8, "memtotal_mb": 32000}, 4),
        ({"processor_vcpus": 3, "memtotal_mb": 32000}, 3),
        ({"processor_vcpus": 8, "memtotal_mb": 1500}, 3),
    ],
)
def test_workers_fit_the_machine(facts, workers):
    assert sizes.workers(facts) == workers


def test_pools_exceed_the_threads():
    assert sum(sizes.pool("uvicorn").values()) > 40
    assert sizes.pool("gunicorn", "16") == {"size": 18, "overflow": 18}
    assert sizes.pool("both") == {"size": 10, "overflow": 10}


def test_the_default_version_is_locked_and_said_once_in_role_and_inventory():
    default = OPTIONS["mlflow_server_version"]["default"]
    assert default in locked_versions(str(LOCKS))
    for path in (ROLE / "defaults/main.yml", ROOT / "inventory.example/group_vars/all/site.yml"):
        assert yaml.safe_load(path.read_text())["mlflow_server_version"] == default
        assert path.read_text().count(default) == 1


def test_nothing_else_has_to_follow_a_new_version():
    """Examples, and READMEs, which `make docs` writes, may name a version."""
    places = ["roles/**/*.j2", "roles/*/[htv]*/*.yml", "playbooks/*.yml", "scripts/*", "benchmarks/*.[ps]*", "plugins/module_utils/**/*.py"]
    versions = re.compile("|".join(rf"\b{re.escape(version)}\b" for version in locked_versions(str(LOCKS))))
    found = [str(path) for place in places for path in ROOT.glob(place) if path.is_file() and versions.search(path.read_text())]
    assert found == []
