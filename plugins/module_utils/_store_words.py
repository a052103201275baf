# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Lets MLflow's Python ask a store for artifacts, and says in words what is wrong with it, and which variables say otherwise."""

from __future__ import annotations

import json
import os
import socket
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import store_check
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.environment import FROM_AZURE_VARIABLES, FROM_GCS_VARIABLES, FROM_S3_VARIABLES
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import BOOTSTRAP, KILLED, source_of

KINDS = {"s3": FROM_S3_VARIABLES, "wasbs": FROM_AZURE_VARIABLES, "gs": FROM_GCS_VARIABLES}
PLACE = "mlflow_server_artifacts_destination or mlflow_server_default_artifact_root"
S3_LOGIN = "mlflow_server_s3_access_key_id and mlflow_server_s3_secret_access_key"
# Which variables say how each store is reached, and with which rights.
ADDRESS = {"s3": "mlflow_server_s3_endpoint_url", "wasbs": f"{PLACE}, or the endpoint in mlflow_server_azure_storage_connection_string", "gs": PLACE}
LOGIN = {
    "s3": S3_LOGIN,
    "wasbs": "mlflow_server_azure_storage_access_key or mlflow_server_azure_storage_connection_string",
    "gs": "mlflow_server_gcs_credentials",
}
BUCKET = {"s3": "bucket", "wasbs": "container", "gs": "bucket"}
# Of each cause what it is, and what to do. {address}, {login} and {bucket} are those above.
WORDS = {
    "key": ("the store does not know the access key, or it is disabled", "Correct mlflow_server_s3_access_key_id"),
    "secret": ("the secret is not the one of this key or account", "Correct {login}"),
    "token": ("the session token is wrong or has expired", "Give another one, or keys that do not expire ({login})"),
    "credentials": ("there are no credentials, neither given nor by a role of the machine", "Set {login}, or give the machine its role"),
    "settings": ("the credentials cannot be read", "Correct {login}"),
    "missing": ("there is no such {bucket}", "Make it, or correct {place}"),
    "forbidden": (
        # Many stores say so of what is not there, too.
        "this login may not {step} there, or there is no such {bucket}",
        "Let it write, list, read and delete objects there, or change {login}, or {place}",
    ),
    "region": ("the {bucket} or the store is in another region{detail}", "Correct mlflow_server_s3_region"),
    "clock": ("the clocks of this host and of the store differ too much{detail}", "Set the clock of this host, for which a time service is best"),
    "full": ("the store or the quota of the {bucket} is full", "Free some, or raise the quota"),
    "name": ("the name of the store does not resolve on this host", "Correct {address}, or the host's DNS"),
    "unreachable": ("nothing answers there", "Start the store, open the firewall, or correct {address}"),
    "closed": ("the store closes the connection without an answer, as one with TLS does when it is asked without", "Correct the scheme in {address}"),
    "scheme": ("the store does not speak TLS there", "Correct the scheme in {address}"),
    "tls": ("the host does not trust the certificate of the store", "Correct {trust}, or let the certificate name the host of {address}"),
    "stranger": ("what answers there is no S3 store, or not at this address", "Correct {address}"),
    "": ("the store answers with an error", "See what it says"),
}


class StoreError(Exception):
    """A store cannot be used."""


def checked(uris: t.Iterable[str]) -> list[str]:
    """Those whose store is asked. Folders are made by whoever installs MLflow, and what other stores need is not known here."""
    return [uri for uri in dict.fromkeys(uris) if uri.partition(":")[0] in KINDS]


def name_of_object() -> str:
    """One for each host, so that hosts do not disturb each other, and a store that lets nobody delete has one and not one of each run."""
    return f"mlflow-store-check-{socket.gethostname()}"


def ask(
    run_command: t.Callable[..., t.Any], python: str, uris: list[str], environment: dict[str, str], files: dict[str, str], timeout: int
) -> dict[str, dict[str, str]]:
    """Of each URI what is wrong with it, as store_check.ask says it."""
    if not os.path.exists(python):
        raise StoreError(f"There is no Python in {python}: install MLflow first, or correct virtualenv")
    request = {"programs": source_of([store_check]), "uris": uris, "name": name_of_object(), "environment": environment, "files": files}
    # Secrets go by standard input: arguments are for all to see.
    status, output, errors = run_command(["timeout", "--signal=KILL", str(timeout), python, "-I", "-c", BOOTSTRAP], data=json.dumps(request), cwd="/")
    if status in KILLED:
        raise StoreError(f"The store for artifacts ({', '.join(uris)}) did not answer within {timeout} s")
    try:
        return t.cast("dict[str, dict[str, str]]", json.loads(output))
    except ValueError:
        raise StoreError(f"The Python of MLflow ended with exit status {status}: {errors.strip()[-2000:]}") from None


def explain(uri: str, found: dict[str, str], environment: dict[str, str]) -> str:
    """In one sentence what is wrong, in one what to do."""
    kind = uri.partition(":")[0]
    endpoint = environment.get("MLFLOW_S3_ENDPOINT_URL", "") if kind == "s3" else ""
    cause, remedy = WORDS[found["cause"]]
    trust = "mlflow_server_s3_ca_file" if kind == "s3" else "the authorities that the host trusts"
    words = {
        "address": ADDRESS[kind],
        "login": LOGIN[kind],
        "bucket": BUCKET[kind],
        "place": PLACE,
        "trust": trust,
        "detail": detail(found),
        "step": found["step"],
    }
    if kind == "s3" and found["cause"] == "secret":
        words["login"] = "mlflow_server_s3_secret_access_key"
    if kind == "s3" and found["cause"] == "missing" and not endpoint:
        words["place"] += ", or the region in mlflow_server_s3_region"
    where = f"{uri} at {endpoint}" if endpoint else uri
    doing = {"set up": "use", "list": "list objects in"}.get(found["step"], f"{found['step']} an object in")
    text = found["text"].splitlines()[0][:400]
    return f"MLflow could not {doing} {where}: {cause.format(**words)}. {remedy.format(**words)}. The store or its library says: {text}"


def detail(found: dict[str, str]) -> str:
    if not found["detail"]:
        return ""
    if found["cause"] == "clock":
        seconds = int(found["detail"])
        return f": this one is {abs(seconds)} seconds {'ahead' if seconds > 0 else 'behind'}"
    return f" ({found['detail']})"
