# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The paths of MLflow that a reverse proxy treats in a way of their own, as regular expressions of nginx (and of Python) that begin at the start of a path."""

from __future__ import annotations

import re

# What only the FastAPI application answers, or answers better: artifacts pass through it without a copy in memory.
# In MLflow's own order: mlflow/server/fastapi_app.py. Whatever else comes along is answered there, too.
FASTAPI = (
    "/v1/",
    "/ajax-api/3\\.0/jobs(?:/|$)",
    "/gateway/",
    "/ajax-api/3\\.0/mlflow/assistant/",
    "/(?:ajax-)?api/2\\.0/mlflow-artifacts/artifacts/.",
    "/(?:ajax-)?api/3\\.0/mlflow/mcp-servers(?:/|$)",
    "/(?:ajax-)?api/3\\.0/mlflow/server-info$",
)
# Single files of the store, up and down.
ARTIFACTS = ("/(?:ajax-)?api/[23]\\.0/mlflow-artifacts/artifacts/.",)
# A file of a run or of a version of a model.
RUN_FILES = "/(?:model-versions/)?get-artifact$"
# What MLflow streams: artifacts up and down, OTLP traces, and the answers of its gateway and assistant.
STREAMED = (
    *ARTIFACTS,
    "/ajax-api/3\\.0/mlflow/assistant/",
    "/(?:v1/traces$|gateway/)",
)
# Files that its Flask application hands out, or takes (up to 10 MB).
BUFFERED = (
    RUN_FILES,
    "/ajax-api/[23]\\.0/mlflow/(?:upload-artifact|get-trace-artifact|gateway-proxy|logged-models/[^/]+/artifacts/files)$",
)
# What asks for something or removes it, and stores nothing.
SMALL = (
    "/(?:ajax-)?api/[23]\\.0/?mlflow/(?:[^/]+/)+(?:search|get|list|batchGet|delete|restore)[A-Za-z-]*$",
    "/(?:ajax-)?api/[23]\\.0/mlflow/traces/(?:metrics|calculate-filter-correlation)$",
    "/graphql$",
)
# What is sent to clients just as it is in the store.
DOWNLOADS = (
    *ARTIFACTS,
    RUN_FILES,
    "/ajax-api/[23]\\.0/mlflow/logged-models/[^/]+/artifacts/files$",
)
PATHS = {"artifacts": ARTIFACTS, "downloads": DOWNLOADS, "fastapi": FASTAPI, "streamed": STREAMED, "buffered": BUFFERED, "small": SMALL}
# These have routes without the prefix of the others, too.
WITHOUT_PREFIX = ("artifacts", "downloads", "fastapi", "streamed")


def pattern(kind: str, prefix: str = "") -> str:
    """One regular expression for all paths of a kind, below a prefix."""
    start = re.escape(prefix)
    if kind in WITHOUT_PREFIX and prefix:
        start = f"(?:{start})?"
    return f"^{start}(?:{'|'.join(PATHS[kind])})"
