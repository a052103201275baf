"""Tables of the results, and the plots."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from stack import BENCH, BUILD, VENV, run

Row = dict


def where(rows: Iterable[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def middle(rows: Iterable[Row], name: str) -> float | None:
    """The median of a figure over the rounds."""
    values = [row[name] for row in rows if row.get(name) is not None]
    return statistics.median(values) if values else None


def ratios(rows: list[Row], name: str, numerator: str, denominator: str) -> list[float]:
    """The quotient of two stacks in each round."""
    per_round = {(row["round"], row["stack"]): row.get(name) for row in rows}
    found = []
    for number in sorted({row["round"] for row in rows}):
        upper, lower = per_round.get((number, numerator)), per_round.get((number, denominator))
        if upper is not None and lower:
            found.append(upper / lower)
    return found


def number(value: float | None, unit: str = "") -> str:
    """Three digits are enough."""
    if value is None:
        return "-"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return text + unit


def spread(values: list[float]) -> str:
    """Median, and in brackets the lowest and highest."""
    if not values:
        return "-"
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(min(values))}..{number(max(values))})"


def table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def serve(data: dict) -> Iterator[str]:
    rows = data["serve"]
    yield "## Requests, through nginx with TLS and login\n"
    keys = list(dict.fromkeys((row["workload"], row["clients"]) for row in rows))
    lines = []
    for workload, clients in sorted(keys, key=lambda key: ([row["workload"] for row in rows].index(key[0]), key[1])):
        cell = where(rows, workload=workload, clients=clients)
        ours, recipe = where(cell, stack="ours"), where(cell, stack="recipe")
        lines.append(
            [workload, str(clients)]
            + [number(middle(some, "rps")) for some in (ours, recipe)]
            + [spread(ratios(cell, "rps", "ours", "recipe"))]
            + [f"{number(middle(some, 'p50_ms'))} / {number(middle(some, 'p99_ms'))}" for some in (ours, recipe)]
            + [f"{sum(row['errors'] for row in some)} of {sum(row['requests'] for row in some)}" for some in (ours, recipe)]
        )
    head = [
        "work",
        "clients",
        "ours, req/s",
        "recipe, req/s",
        "ratio (lowest..highest)",
        "ours p50 / p99, ms",
        "recipe p50 / p99, ms",
        "errors ours",
        "errors recipe",
    ]
    yield from table(head, lines)
    yield "Processor time of a request, ms, with 16 clients: MLflow / nginx / PostgreSQL\n"
    programs = ["mlflow", "nginx", "postgres"]
    yield from table(
        ["work", "ours", "recipe"],
        (
            [work, *processor(where(rows, workload=work, clients=16), lambda row: row["requests"] / 1000, programs)]
            for work in dict.fromkeys(row["workload"] for row in rows)
        ),
    )


def processor(rows: list[Row], amount: Callable[[Row], float], programs: list[str]) -> list[str]:
    """For both stacks, what the programs use for one unit of the amount: the medians over the rounds."""
    cells = []
    for stack in ("ours", "recipe"):
        found = [row for row in where(rows, stack=stack) if amount(row)]
        cells.append(" / ".join(number(middle([{name: row[f"{name}_cpu_s"] / amount(row)} for row in found], name)) for name in programs))
    return cells


def resources(data: dict) -> Iterator[str]:
    rows = data["resources"]
    yield "## The MLflow service: memory, processes, database connections\n"
    lines = []
    for when in ("idle", "loaded"):
        some = where(rows, when=when)
        for what, name in (("memory (sum of PSS), MB", "pss_mb"), ("processes", "processes"), ("database connections", "connections")):
            cells = [number(middle(where(some, stack=stack), name)) for stack in ("ours", "recipe")]
            label = "the most under load" if name == "connections" and when == "loaded" else "after the load" if when == "loaded" else when
            lines.append([f"{what}, {label}", *cells, spread(ratios(some, name, "ours", "recipe"))])
    yield from table(["figure", "ours", "recipe", "ratio"], lines)


def artifacts(data: dict) -> Iterator[str]:
    rows = data["artifacts"]
    yield "## Artifacts\n"
    lines = []
    for what in dict.fromkeys(row["what"] for row in rows):
        some = where(rows, what=what)
        cells = []
        for stack in ("ours", "recipe"):
            found = where(some, stack=stack)
            problems = [row.get("error") or row.get("result") for row in found if row.get("error") or row.get("result")]
            cells.append(problems[0] if problems else number(middle(found, "mb_per_s"), " MB/s"))
        spool = [
            f"{number(middle(where(some, stack=stack), 'spooled_mb'))} / {number(middle(where(some, stack=stack), 'growth_mb'))}"
            for stack in ("ours", "recipe")
        ]
        lines.append([what, *cells, spread(ratios(some, "mb_per_s", "ours", "recipe")), *spool])
    head = ["what", "ours", "recipe", "ratio", "ours: spooled by nginx / growth of MLflow, MB", "recipe: the same"]
    yield from table(head, lines)
    yield "Processor time of 1 GB, s: MLflow / nginx / S3 server\n"
    large = [row for row in rows if "nginx_cpu_s" in row]
    programs = ["mlflow", "nginx", "minio"]
    yield from table(
        ["what", "ours", "recipe"],
        (
            [what, *processor(where(large, what=what), lambda row: float(row["what"].split()[0]) if row.get("mb_per_s") else 0, programs)]
            for what in dict.fromkeys(row["what"] for row in large)
        ),
    )


def deploy(data: dict) -> Iterator[str]:
    rows = data["deploy"]
    yield "## Deployment\n"
    lines = [
        [f"blank container to the first logged run: {stack}", spread([row["seconds"] for row in where(rows, stack=stack)])]
        for stack in dict.fromkeys(row["stack"] for row in rows)
    ]
    for other in ("same tools", "recipe"):
        if where(rows, stack=other):
            lines.append([f"ratio site.yml / {other}", spread(ratios(rows, "seconds", "ours", other))])
    for row in data.get("further_runs", [])[:2]:
        some = where(data["further_runs"], name=row["name"])
        lines.append([f"{row['name']} ({row['tasks']} tasks, {max(each['changed'] for each in some)} changed)", spread([each["seconds"] for each in some])])
    if "install" in data:
        for name, label in (("ours", "install step: uv_venv, which brings uv, too"), ("recipe", "install step: pip")):
            lines.append([label, spread([row[name] for row in data["install"]])])
        lines.append(["ratio of the install steps", spread([row["ours"] / row["recipe"] for row in data["install"]])])
    for row in data.get("hosts", []):
        lines.append([f"role mlflow_server alone, {row['which']} run on {row['hosts']} host(s)", number(row["seconds"])])
    yield from table(["what", "seconds"], lines)
    slowest = [
        ("first run", (where(rows, stack="ours")[-1:] or [{}])[0].get("slowest")),
        *((row["name"], row["slowest"]) for row in data.get("further_runs", [])[:1]),
        *((row["name"], row["slowest"]) for row in data.get("hosts", [])[3:]),
    ]
    for name, tasks in slowest:
        if tasks:
            yield f"The slowest tasks of a {name}:\n"
            yield from table(["task", "seconds"], ([task, number(seconds)] for task, seconds in tasks))
    for stack in ("same tools", "recipe"):
        steps = [row["steps"] for row in where(rows, stack=stack) if row.get("steps")]
        if steps:
            yield f"The steps of the script `{stack}`, seconds: " + ", ".join(f"{name} {number(seconds)}" for name, seconds in steps[-1].items()) + "\n"


def goals(data: dict) -> Iterator[str]:
    """Goals as (figure, the goal in words, values measured, is it met)."""
    found: list[tuple[str, str, str, bool]] = []

    def goal(figure: str, values: list[float], words: str, met: Callable[[float], bool]) -> None:
        if values:
            found.append((figure, words, spread(values), met(statistics.median(values))))

    served = data.get("serve", [])
    for workload, clients, lowest in (("create-run", 1, 1.8), ("create-run", 16, 1.7), ("log-batch-10", 16, 1.8), ("log-batch-10", 128, 40)):
        values = ratios(where(served, workload=workload, clients=clients), "rps", "ours", "recipe")
        goal(f"{workload}, {clients} clients, req/s ours / recipe", values, f">= {lowest}", lambda value, lowest=lowest: value >= lowest)
    overload = where(served, workload="log-batch-10", clients=128, stack="ours")
    goal("log-batch-10, 128 clients, errors of ours", [row["errors"] for row in overload], "0", lambda value: value == 0)
    goal("log-batch-10, 128 clients, p99 of ours, s", [row["p99_ms"] / 1000 for row in overload if row["p99_ms"]], "<= 1.5", lambda value: value <= 1.5)
    for when in ("idle", "loaded"):
        values = ratios(where(data.get("resources", []), when=when), "pss_mb", "ours", "recipe")
        goal(f"memory of the service, {when}, ours / recipe", values, "<= 0.30", lambda value: value <= 0.3)
    moved = where(data.get("artifacts", []), stack="ours")
    for direction in ("up", "down"):
        front = [row for row in moved if row["what"].endswith(f"{direction} through the front")]
        direct = {row["round"]: row.get("mb_per_s") for row in moved if row["what"].endswith(f"{direction} directly")}
        values = [row["mb_per_s"] / direct[row["round"]] for row in front if row.get("mb_per_s") and direct.get(row["round"])]
        if direction == "up":
            goal("large file up, front / direct", values, ">= 0.8", lambda value: value >= 0.8)
        goal(f"large file {direction}, spooled by nginx, MB", [row["spooled_mb"] for row in front], "0", lambda value: value == 0)
        goal(f"large file {direction}, growth of MLflow, MB", [row["growth_mb"] for row in front], "< 100", lambda value: value < 100)
    deployed = data.get("deploy", [])
    goal("site.yml / same tools", ratios(deployed, "seconds", "ours", "same tools"), "<= 1.15", lambda value: value <= 1.15)
    goal("site.yml / recipe", ratios(deployed, "seconds", "ours", "recipe"), "<= 1.0", lambda value: value <= 1)
    goal("install step / pip", [row["ours"] / row["recipe"] for row in data.get("install", [])], "<= 0.3", lambda value: value <= 0.3)
    again = where(data.get("further_runs", []), name="second run")
    goal("second run, s", [row["seconds"] for row in again], "<= 20", lambda value: value <= 20)
    goal("second run, changed", [row["changed"] for row in again], "0", lambda value: value == 0)
    yield "## Goals\n"
    yield from table(["figure", "goal", "measured (lowest..highest)", "met"], ([*words, "yes" if met else "**no**"] for *words, met in found))


def markdown(data: dict) -> str:
    """The whole report; parts that were not measured are left out."""
    about = data["machine"]
    lines = [
        f"# Benchmark of {data['started']}\n",
        f"MLflow {about['mlflow']}, commit {about['commit']}; {about['cores']} cores ({about['cpu']}), {about['memory_gb']} GB, Linux {about['kernel']}, "
        f"Docker {about['docker']}, {about['ansible']}. Load of the machine before: {about['load']}. "
        "Clients, servers and database share these cores. Figures are medians over the rounds.\n",
    ]
    lines += goals(data)
    for part in (serve, resources, artifacts, deploy):
        if data.get(part.__name__):
            lines += part(data)
    if data.get("serve"):
        lines += ["![Requests per second](throughput.png)\n", "![p99](p99.png)\n"]
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path, data: dict) -> None:
    """Write results.json and results.md."""
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(data))


def plot(folder: Path) -> None:
    """Draw the plots, with matplotlib in an environment of its own."""
    venv, lock = BUILD / "venv", BENCH / "requirements.txt"
    stamp = venv / ".installed"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        run(VENV / "uv", "venv", "--quiet", "--clear", "--python", VENV / "python", venv)
        run(VENV / "uv", "pip", "sync", "--quiet", "--python", venv / "bin/python", "--require-hashes", lock)
        stamp.write_text(lock.read_text())
    run(venv / "bin/python", BENCH / "plot.py", folder)
