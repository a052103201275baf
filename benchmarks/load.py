"""What the stacks serve: requests per second, latencies, errors, memory, processes and database connections."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

from stack import BenchError, Client, Stack, Watch, say

TIMEOUT = 60  # seconds until wrk gives up a request, so that slow counts as slow and not as an error
OVERLOAD = ("log-batch-10", 128)
WORKLOADS = ("create-run", "log-batch-10", "log-batch-500", "log-params-100", "search-runs", "search-experiments", "metric-history", "trace-ingest")


def cells(quick: bool) -> Iterator[tuple[str, int, int]]:
    """(workload, clients, seconds) of one round; the overload is the last."""
    for workload in WORKLOADS:
        for clients in (1, 16, 128):
            narrow = workload in ("create-run", "log-batch-10")
            if (workload, clients) == OVERLOAD or (quick and clients != 16 and not (narrow and clients == 1)):
                continue
            yield workload, clients, 2 if quick else 10
    yield (*OVERLOAD, 8 if quick else 40)


def load(client: Client, stack: Stack, workload: str, clients: int, seconds: int) -> dict[str, float]:
    """Put one load on a stack, through its front as users do. Times in milliseconds."""
    env = {"WORKLOAD": workload, "AUTHORIZATION": stack.authorization, "SALT": secrets.token_hex(4)}
    argv = ["wrk", f"-t{min(clients, 2)}", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{TIMEOUT}s", "-s", "/bench/load.lua", stack.url]
    output = client.container.call(*argv, env=env, limit=seconds + 2 * TIMEOUT)
    result = json.loads(output.splitlines()[-1])
    if result["requests"] and result["bad_status"] == result["requests"]:
        raise BenchError(f"{stack.kind}: every answer to {workload} is an error; look into the log of {stack.container.name}")
    result["errors"] = result["bad_status"] + result["socket_errors"] + result["timeouts"]
    result["rps"] = round(result["requests"] / result["seconds"], 2)
    return result


def measure(client: Client, stack: Stack, quick: bool) -> list[dict]:
    """All cells on one stack; returns the rows of `serve`."""
    rows = []
    for workload in ("create-run", "search-runs"):
        load(client, stack, workload, 4, 1)
    for workload, clients, seconds in cells(quick):
        stack.drain()
        before = stack.look()
        with Watch(stack.container) as watch:
            result = load(client, stack, workload, clients, seconds)
        used = stack.processor_seconds(before)
        rows.append({"workload": workload, "clients": clients, **result, "connections": watch.highest["connections"], **used})
        say(
            f"  {stack.kind:6} {workload:18} c{clients:<3} {result['rps']:8.1f}/s  p50 {result['p50_ms'] or 0:8.1f} ms"
            f"  p99 {result['p99_ms'] or 0:8.1f} ms  {result['errors']} errors"
        )
    return rows
