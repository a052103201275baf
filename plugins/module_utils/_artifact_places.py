# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Where the artifacts of an MLflow database are, which of them other settings of the server would strand, and how places get another beginning.

MLflow freezes the place of an experiment when that is made, and those of runs, models and traces with it. Runs with MLflow's own Python.
"""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import ARTIFACT_OWNERS, ARTIFACT_PLACES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import quoted, read_tables

PROXIED = "mlflow-artifacts:"
# How the names of experiments begin that the smoke test makes and deletes.
SMOKE_TEST = "smoke-test-"
# Experiments of a root that are named: enough to know what it is about.
EXAMPLES = 5
JOINED = {"sqlite": "%s || {rest}", "postgresql": "%s || {rest}", "mysql": "CONCAT(%s, {rest})", "mssql": "CONCAT(%s, {rest})"}
# Longer than any place.
LONGEST = 100000
LIMITS = """
SELECT table_name, column_name, character_maximum_length FROM information_schema.columns
WHERE character_maximum_length > 0 AND table_schema = {schema}
"""
SCHEMAS = {"postgresql": "current_schema()", "mysql": "DATABASE()", "mssql": "SCHEMA_NAME()"}


class PlacesError(Exception):
    """Places of artifacts could not get another beginning."""


class Settings(t.NamedTuple):
    """What of a server's settings says where artifacts are: URIs, and addresses of its S3 store for itself and for clients."""

    serves: bool
    destination: str
    root: str
    endpoint: str
    public: str

    @property
    def new_root(self) -> str:
        """Where experiments begin that are made with these settings."""
        return self.root or f"{PROXIED}/"

    @property
    def own(self) -> list[str]:
        """What the server has access to."""
        return [place for place in (self.destination if self.serves else "", self.root) if place and not place.startswith(PROXIED)]

    def behind(self, location: str) -> str:
        """The URI of the store in which the files of a place are, empty where the server does not know it."""
        if location.startswith(PROXIED):
            return self.destination
        return max((place for place in self.own if within(location, place)), key=len, default="")

    def reached_by_clients(self, location: str) -> bool:
        return within(location, self.root) or (self.public != "" and within(location, self.destination))


def settings_of(environment: dict[str, str]) -> Settings | None:
    """Those that a server has read, by its environment; None where there is none."""
    if not environment:
        return None
    names = ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_DEFAULT_ARTIFACT_ROOT", "MLFLOW_S3_ENDPOINT_URL", "MLOPS_S3_PUBLIC_URL")
    return Settings(environment.get("MLFLOW_SERVE_ARTIFACTS") != "false", *(environment.get(name, "") for name in names))


def plain(place: str) -> str:
    """Folders have two spellings."""
    return place.removeprefix("file://").rstrip("/")


def within(location: str, place: str) -> bool:
    return place != "" and f"{plain(location)}/".startswith(f"{plain(place)}/")


def store(place: str, endpoint: str) -> tuple[str, str]:
    """What is equal for two names of one place. A store with TLS is the same one as without."""
    return plain(place), urlsplit(endpoint).netloc if place.startswith("s3:") else ""


def named(place: str, endpoint: str) -> str:
    return f"{place} at {endpoint}" if endpoint and place.startswith("s3:") else place


def trouble(location: str, former: Settings | None, wanted: Settings) -> tuple[str, bool]:
    """Why an experiment with this place works with the former settings, and not with the wanted ones; and whether only files would be missing."""
    if location.startswith(PROXIED):
        if not wanted.serves:
            return "clients ask MLflow for them, and it would serve no artifacts", False
        if former and former.serves and store(former.destination, former.endpoint) != store(wanted.destination, wanted.endpoint):
            old, new = named(former.destination, former.endpoint), named(wanted.destination, wanted.endpoint)
            return f"the files are in {old}, and MLflow would look for them in {new}", True
        return "", False
    if not former:
        return "", False
    if store(location, former.endpoint) != store(location, wanted.endpoint):
        return f"they are in the store {former.endpoint or 'of AWS'}, and MLflow would ask {wanted.endpoint or 'AWS'}", False
    if any(within(location, place) for place in former.own) and not any(within(location, place) for place in wanted.own):
        return f"they are in {former.behind(location)}, and MLflow would have access to {' and '.join(wanted.own)} alone", False
    if former.reached_by_clients(location) and not wanted.reached_by_clients(location):
        return "clients reach the store themselves, and would have no way to it any more", False
    return "", False


def stranded(
    experiments: t.Iterable[tuple[int, str, str]], used: t.Callable[[], set[int]], former: Settings | None, wanted: Settings
) -> list[dict[str, t.Any]]:
    """What the wanted settings would strand, root by root. used: the numbers of experiments that may have files."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    filled: set[int] | None = None
    for number, name, location in experiments:
        reason, only_files = trouble(location, former, wanted)
        if reason and only_files:
            filled = used() if filled is None else filled
        if reason and not (only_files and number not in (filled or ())):
            root = PROXIED if location.startswith(PROXIED) else location.rpartition("/")[0]
            files = former.behind(location) if former else ""
            one = found.setdefault((root, files), {"root": root, "experiments": 0, "examples": [], "reason": reason, "files": files})
            one["experiments"] += 1
            one["examples"] += [f"{name} ({number})"] if len(one["examples"]) < EXAMPLES else []
    for one in found.values():
        one["text"] = f"{one['experiments']} experiments in {one['root']}, such as {', '.join(one['examples'])}: {one['reason']}"
    return [found[key] for key in sorted(found)]


def plan(found: list[dict[str, t.Any]], former: Settings, wanted: Settings) -> dict[str, t.Any]:
    """How what is stranded gets to where it works: files from a store to another one, and the beginnings of places with those that take their place."""
    moves: list[dict[str, str]] = []
    locations: dict[str, str] = {}
    for one in found:
        source = one["files"]
        if not source:
            continue
        stays = one["root"] == PROXIED and wanted.serves
        target = wanted.destination if stays or not wanted.root else wanted.root
        inside = within(source, target) and store(source, former.endpoint)[1] == store(target, wanted.endpoint)[1]
        move = {"source": source, "target": target}
        if not inside and move not in moves:
            moves.append(move)
        if stays:
            continue
        new = wanted.new_root.rstrip("/") + plain(source)[len(plain(target)) :] if inside and plain(source) != plain(target) else wanted.new_root
        spellings = {f"file://{plain(source)}", plain(source)} if source.startswith(("/", "file:")) else {source}
        locations.update({f"{PROXIED}/": new} if one["root"] == PROXIED else dict.fromkeys(spellings, new))
    return {"moves": moves, "locations": locations, "unplanned": [one["root"] for one in found if not one["files"]]}


def read_experiments(connection: Connection) -> list[tuple[int, str, str]]:
    if "experiments" not in read_tables(connection) or not {"experiment_id", "name", "artifact_location"} <= set(connection.columns("experiments")):
        return []
    stage = "lifecycle_stage" if "lifecycle_stage" in connection.columns("experiments") else "NULL"
    statement = f"SELECT experiment_id, name, artifact_location, {stage} FROM experiments WHERE artifact_location IS NOT NULL ORDER BY experiment_id"
    # What the smoke test leaves has no files.
    return [tuple(row[:3]) for row in connection.rows(statement) if not (row[3] == "deleted" and row[1].startswith(SMOKE_TEST))]


def read_used(connection: Connection) -> set[int]:
    """The experiments that may have files."""
    tables = [table for table in ARTIFACT_OWNERS if table in read_tables(connection)]
    return {int(row[0]) for table in tables for row in connection.rows(f"SELECT DISTINCT experiment_id FROM {table}")}


def artifact_roots(connection: Connection) -> list[str]:
    """Where the artifacts of the experiments are, each place without its last part."""
    return sorted({place.rpartition("/")[0] for _number, _name, place in read_experiments(connection) if isinstance(place, str)})


def rewrite(connection: Connection, locations: dict[str, str], only_count: bool = False) -> dict[str, int]:
    """Let places begin in another way; returns how many rows of each column do. Of several beginnings that fit, the longest counts."""
    done: dict[str, int] = {}
    tables = read_tables(connection) if locations else set()
    limits = read_limits(connection) if locations else {}
    for table, column, key in ARTIFACT_PLACES:
        if table not in tables or column not in connection.columns(table):
            continue
        case, values = replaced(connection, column, locations)
        condition = f"{quoted(connection, 'key')} = '{key}' AND " if key else ""
        condition += f"{case} IS NOT NULL AND {case} <> {column}"
        name = f"{table}.{column}"
        if limits.get((table, column)):
            length = "LEN" if connection.kind == "mssql" else "CHAR_LENGTH"
            too_long = connection.values(f"SELECT COUNT(*) FROM {table} WHERE {condition} AND {length}({case}) > {limits[table, column]}", values * 3)
            if too_long[0][0]:
                raise PlacesError(f"{too_long[0][0]} places in {name} would be longer than the {limits[table, column]} characters that it takes")
        if only_count:
            rows = int(connection.values(f"SELECT COUNT(*) FROM {table} WHERE {condition}", values * 2)[0][0])
        else:
            rows = connection.change(f"UPDATE {table} SET {column} = {case} WHERE {condition}", values * 3)
        done[name] = done.get(name, 0) + rows
    return {name: rows for name, rows in done.items() if rows}


def replaced(connection: Connection, column: str, locations: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """An expression for the other place, NULL where there is none, with the values for it."""
    cases: list[str] = []
    values: list[str] = []
    for old, new in sorted(locations.items(), key=lambda pair: -len(pair[0])):
        old = old.rstrip("/")
        rest = f"SUBSTRING({column}, {len(old) + 1}, {LONGEST})"
        # What comes after the scheme alone is a host, and not a place below.
        below = f" AND SUBSTRING({column}, {len(old) + 1}, 2) <> '//'" if old.endswith(":") else ""
        cases.append(f"WHEN {column} = %s THEN %s")
        cases.append(f"WHEN SUBSTRING({column}, 1, {len(old) + 1}) = %s{below} THEN {JOINED[connection.kind].format(rest=rest)}")
        values += [old, new, f"{old}/", new.rstrip("/")]
    return f"CASE {' '.join(cases)} END", tuple(values)


def read_limits(connection: Connection) -> dict[tuple[str, str], int]:
    """How many characters columns take, where the server holds to that."""
    if connection.kind not in SCHEMAS:
        return {}
    return {(row[0], row[1]): row[2] for row in connection.rows(LIMITS.format(schema=SCHEMAS[connection.kind]))}
