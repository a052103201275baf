"""One word for all that the drill has put into the site, as MLflow's own client reads it: experiments, runs, histories, traces, models, artifacts."""

import hashlib
import json
import sys

import mlflow
from mlflow import MlflowClient

PAGE = 1000
client = MlflowClient()


def pages(search, **options):
    token = None
    while True:
        page = search(page_token=token, **options)
        yield from page
        if not (token := page.token):
            return


def artifacts(run, folder=None):
    for file in client.list_artifacts(run, folder):
        if file.is_dir:
            yield from artifacts(run, file.path)
        else:
            with open(client.download_artifacts(run, file.path, sys.argv[1]), "rb") as stream:
                yield file.path, hashlib.sha256(stream.read()).hexdigest()


found = {"experiments": [], "runs": [], "traces": [], "models": []}
experiments = sorted((one for one in pages(client.search_experiments) if one.name.startswith("drill")), key=lambda one: int(one.experiment_id))
for one in experiments:
    found["experiments"].append([one.experiment_id, one.name, one.artifact_location, one.tags])
    runs = sorted(pages(client.search_runs, experiment_ids=[one.experiment_id], max_results=PAGE), key=lambda run: run.info.run_id)
    for number, run in enumerate(runs):
        values = {key: repr(value) for key, value in run.data.metrics.items()}
        # All of a few runs: each file, each history.
        deep = number % 25 == 0
        files = sorted(artifacts(run.info.run_id)) if deep else None
        histories = {key: [[repr(m.value), m.step, m.timestamp] for m in client.get_metric_history(run.info.run_id, key)] for key in values} if deep else None
        found["runs"].append([run.info.run_id, run.info.run_name, run.info.status, values, run.data.params, run.data.tags, files, histories])
    # Those of long ago never had any spans.
    traces = pages(client.search_traces, locations=[one.experiment_id], max_results=100, include_spans=one.name == "drill of today")
    spans = [(trace.info, [span.to_dict() for span in trace.data.spans]) for trace in traces]
    found["traces"] += sorted([info.trace_id, str(info.state), info.tags, info.trace_metadata, inside] for info, inside in spans)
for model in sorted(pages(client.search_registered_models), key=lambda one: one.name):
    versions = pages(client.search_model_versions, filter_string=f"name = '{model.name}'")
    found["models"].append([model.name, model.description, model.tags, model.aliases, sorted([v.version, v.source, v.run_id, v.tags] for v in versions)])
words = {name: hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16] for name, rows in found.items()}
print(json.dumps({"counts": {name: len(rows) for name, rows in found.items()}, "words": words, "version": mlflow.__version__}))
