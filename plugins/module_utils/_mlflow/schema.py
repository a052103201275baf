# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The schema of MLflow's databases: where its migrations are, how a database is known, and which functions of MLflow change it.

The component oidc is that of mlflow-oidc-auth, a package beside MLflow.
"""

from __future__ import annotations

import glob
import importlib
import os
import re

# Below the package mlflow.
MIGRATIONS = {
    "tracking": "store/db_migrations/versions",
    "auth": "server/auth/db/migrations/versions",
    "oidc": "../mlflow_oidc_auth/db/migrations/versions",
}
VERSION_TABLES = {"tracking": ["alembic_version"], "auth": ["alembic_version_auth", "alembic_version"], "oidc": ["alembic_version"]}
MARKER_TABLES = {"tracking": {"experiments", "runs"}, "auth": {"users"}, "oidc": {"users", "user_groups"}}
MODULES = {"tracking": "mlflow.store.db.utils", "auth": "mlflow.server.auth.db.utils", "oidc": "mlflow_oidc_auth.db.utils"}

# What a new tracking database has in it, and what a first start of a server adds, as a condition on the rows of a table.
DEFAULT_ROWS = {"experiments": "experiment_id = 0", "workspaces": "name = 'default'"}
# Rows that a migration takes away, as it puts what they say into columns of other tables: table, keys. All of 75868b020152, in 3.17.
MOVED_ROWS = {
    "trace_tags": ("mlflow.traceName",),
    "trace_request_metadata": ("mlflow.trace.session", "mlflow.trace.tokenUsage", "mlflow.trace.cost"),
    "trace_metrics": (
        *("input_tokens", "output_tokens", "total_tokens"),
        *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr"),
    ),
    "span_metrics": ("input_cost", "output_cost", "total_cost"),
}
# Where artifacts are: table, column, the key of the row in a table of tags. Not every version has every table and column.
ARTIFACT_PLACES = (
    ("experiments", "artifact_location", None),
    ("runs", "artifact_uri", None),
    ("logged_models", "artifact_location", None),
    ("model_versions", "source", None),
    ("model_versions", "storage_location", None),
    ("trace_tags", "value", "mlflow.artifactLocation"),
    ("trace_tags", "value", "mlflow.trace.archiveLocation"),
    ("workspaces", "default_artifact_root", None),
    ("workspaces", "trace_archival_location", None),
)
# What artifacts can belong to, beside the experiment itself: tables with a column experiment_id.
ARTIFACT_OWNERS = ("runs", "logged_models", "trace_info")
# Where the number of an experiment stands beside the columns experiment_id, in the same form.
EXPERIMENT_NUMBERS = (
    ("entity_associations", "source_id", "source_type = 'experiment'"),
    ("entity_associations", "destination_id", "destination_type = 'experiment'"),
)


def read_migrations(folder, component):
    """The revisions of one MLflow, read from the files of its package in this folder: importing MLflow takes seconds."""
    found = []
    for name in sorted(glob.glob(os.path.join(glob.escape(folder), MIGRATIONS[component], "*.py"))):
        with open(name, encoding="utf-8") as stream:
            text = stream.read()
        revision = re.search(r"""^revision\s*(?::[^=]+)?=\s*["'](\w+)["']""", text, re.MULTILINE)
        if revision:
            down = re.search(r"^down_revision\s*(?::[^=]+)?=\s*([^\n#]*)", text, re.MULTILINE)
            title = re.match(r'\s*(?:"""|\'\'\')\s*(.+)', text)
            parents = re.findall(r"""["'](\w+)["']""", down[1]) if down else []
            found.append({"revision": revision[1], "parents": parents, "title": title[1].strip() if title else ""})
    return found


def load(component):
    """What runs the migrations of a component."""
    return importlib.import_module(MODULES[component])


def bring_to_head(component, engine, empty):
    """What `mlflow db upgrade` does since 3.14 and a server start did before. Runs with MLflow's own Python."""
    utils = load(component)
    if component != "tracking":
        utils.migrate(engine, "head")
    elif empty:
        utils._initialize_tables(engine)
    else:
        utils._upgrade_db(engine)
