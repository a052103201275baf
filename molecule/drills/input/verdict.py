"""What load.py was told, against what is in the server. FILE [NAME=FROM-TO ...]: spans of time (seconds since 1970) whose latency is asked for."""

import json
import sys

from mlflow import MlflowClient

client = MlflowClient()
with open(sys.argv[1], encoding="utf-8") as stream:
    told = json.load(stream)
lost = 0
for run, steps in told["acknowledged"].items():
    there = {metric.step for metric in client.get_metric_history(run, "m0")}
    lost += len(set(range(steps)) - there)
result = {"acknowledged": sum(told["acknowledged"].values()), "lost": lost, "failures": told["failures"]}
for span in sys.argv[2:]:
    name, _equals, times = span.partition("=")
    begin, end = map(float, times.split("-"))
    found = sorted(seconds for start, seconds in told["latencies"] if begin <= start <= end)
    result[name] = {"requests": len(found), "p50": round(found[len(found) // 2], 3), "p99": round(found[len(found) * 99 // 100], 3), "max": round(found[-1], 3)}
print(json.dumps(result))
