# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What an MLflow server takes of its surroundings: connections to the database, and memory.

Each process has an engine for each store, and each engine a pool of its own.
"""

from __future__ import annotations

import typing as t

# The tracking store and the model registry; MLflow's login has one more.
ENGINES = 2
# A worker of uvicorn runs 40 threads, and a request may take two connections at once: a smaller pool can lock itself up.
FASTAPI_POOL = {"size": 20, "overflow": 25}
# MB of a worker, and of the machine without MLflow.
WORKER_MB = 300
SYSTEM_MB = 512


def pool(engine: str, threads: int | str = 8) -> dict[str, int]:
    """The connections that a worker keeps, and those that it may open besides."""
    if engine == "uvicorn":
        return dict(FASTAPI_POOL)
    # Two for each thread, and some for what works in the background.
    return dict.fromkeys(("size", "overflow"), int(threads) + 2)


def workers(facts: dict[str, t.Any]) -> int:
    """As many as there are CPUs and room, and from 2 to 4."""
    room = (facts.get("memtotal_mb", 0) - SYSTEM_MB) // WORKER_MB
    return max(2, min(4, facts.get("processor_vcpus", 2), room))
