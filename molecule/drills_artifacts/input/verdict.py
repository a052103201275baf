"""Compares what transfer.py and watch.py have told, and adds a mode to the report, with lines of FAULT where a path is broken. MODE TRANSFER WATCH REPORT"""

import json
import pathlib
import statistics
import sys

# Of the store's own speed, and what the drill takes for broken: on two busy processors figures are worth little.
AIMS = {"proxied": (0.6, 0.15), "accelerated": (0.85, 0.25), "presigned": (0.9, 0.25), "direct": (0.9, 0.5)}
AIM_LATENCY = 1.3
MAX_GROWTH = 100  # MB
# Of many uploads at once MLflow itself holds 32 parts of 8 MiB.
MAX_PROXIED_CROWD = MAX_GROWTH + 32 * 8.4


def speeds(part, way):
    return [part["bytes"] / 1e6 / (end - begin) for begin, end in part["times"][way]]


def shown(numbers, digits=0):
    return " ".join(f"{number:.{digits}f}" for number in numbers)


def p99(seconds):
    return sorted(seconds)[len(seconds) * 99 // 100] * 1000 if seconds else float("nan")


def highest(looks, begin, end):
    found = [look[1:] for look in looks if begin - 1 <= look[0] <= end + 1]
    return [max(column) for column in zip(*found, strict=True)]


def main():
    mode, told, looks, report = sys.argv[1], *(json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:4]), sys.argv[4]
    aim, broken = AIMS[mode]
    lines, faults = [f"{mode}, experiments at {told['root'].partition(':')[0]}"], []
    for way in ("up", "down"):
        ours, theirs = speeds(told["large"], way), speeds(told["large"], f"store {way}")
        ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
        ratio = statistics.median(ratios)
        lines.append(
            f"  {told['large']['bytes'] / 1e9:g} GB {way}: {shown(ours)} MB/s by MLflow's client, {shown(theirs)} straight to the store: "
            f"{shown(ratios, 2)} (aim {aim}{'' if ratio >= aim else ', MISSED'})"
        )
        if ratio < broken:
            faults.append(f"{way}: {ratio:.2f} of the store's own speed")
    for name in ("crowd", "small"):
        what = f"{told[name]['bytes'] / 1e6:.0f} MB {'by many clients at once' if name == 'crowd' else 'in files of 1 MB'}"
        lines.append(f"  {what}: {shown(speeds(told[name], 'up'))} MB/s up, {shown(speeds(told[name], 'down'))} down")
    alone, beside = (told["crowd"]["latencies"][name] for name in ("alone", "beside"))
    slower = p99(beside) / p99(alone)
    lines.append(
        f"  log-batch, p99: {p99(alone):.0f} ms alone ({len(alone)}), {p99(beside):.0f} ms beside the uploads ({len(beside)}): {slower:.2f}"
        + ("" if mode == "proxied" else f" (aim {AIM_LATENCY}{'' if slower <= AIM_LATENCY else ', MISSED'})")
    )
    # The last look of those two seconds in which nothing was asked.
    before = [look[1] for look in looks if look[0] <= told["warm"]["until"] + 2][-1]
    for name in ("large", "small", "crowd"):
        times = [span for spans in told[name]["times"].values() for span in spans]
        memory, nginx, mlflow = highest(looks, min(begin for begin, _end in times), max(end for _begin, end in times))
        lines.append(f"  {name}: MLflow grew by {memory - before:.0f} MB from {before:.0f}, spooled {nginx} bytes in nginx, {mlflow} in MLflow")
        if memory - before >= (MAX_PROXIED_CROWD if (mode, name) == ("proxied", "crowd") else MAX_GROWTH):
            faults.append(f"{name}: MLflow grew by {memory - before:.0f} MB")
        if nginx or mlflow:
            faults.append(f"{name}: {nginx} bytes were spooled by nginx, {mlflow} by MLflow")
    with open(report, "a", encoding="utf-8") as file:
        file.write("\n".join([*lines, *(f"  FAULT {fault}" for fault in faults)]) + "\n")


if __name__ == "__main__":
    main()
