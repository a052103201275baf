"""Plots of throughput and p99 per workload. Usage: plot.py FOLDER, which holds results.json."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

COLOURS = {"ours": "#1b6ca8", "recipe": "#c9c9c9"}

folder = Path(sys.argv[1])
rows = json.loads((folder / "results.json").read_text()).get("serve", [])
workloads = list(dict.fromkeys(row["workload"] for row in rows))
for name, title, file in (("rps", "Requests per second", "throughput.png"), ("p99_ms", "p99 in ms", "p99.png")) if rows else ():
    columns = (len(workloads) + 1) // 2
    figure, axes = plt.subplots(2, columns, figsize=(3.4 * columns, 6), squeeze=False)
    for axis, workload in zip(axes.flat, workloads):
        some = [row for row in rows if row["workload"] == workload]
        counts = sorted({row["clients"] for row in some})
        for place, (stack, colour) in enumerate(COLOURS.items()):
            values = [[row[name] for row in some if row["clients"] == count and row["stack"] == stack] for count in counts]
            middles = [statistics.median(each) if each else 0 for each in values]
            spread = [[m - min(each, default=m) for m, each in zip(middles, values)], [max(each, default=m) - m for m, each in zip(middles, values)]]
            axis.bar([number + 0.4 * place for number in range(len(counts))], middles, 0.4, yerr=spread, capsize=2, color=colour, label=stack)
        axis.set_xticks([number + 0.2 for number in range(len(counts))], [f"{count} clients" if count > 1 else "1 client" for count in counts])
        axis.set_title(workload)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(workloads) :]:
        axis.set_visible(False)
    axes.flat[0].legend(frameon=False)
    figure.suptitle(f"{title}, through nginx with TLS and login; lines: lowest and highest of the rounds")
    figure.tight_layout()
    figure.savefig(folder / file, dpi=110)
