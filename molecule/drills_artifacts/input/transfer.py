"""Moves files by MLflow's client, and by boto3 straight to the store, and says how fast, as one line of JSON. Stops at a file that comes back changed.

What is told apart by times of the clock, memory and spooled bytes of the server, is compared in verdict.py: the machines have one clock.
"""

import hashlib
import json
import multiprocessing
import os
import pathlib
import shutil
import tempfile
import time

import boto3
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric

BLOCK = 2**20
WORK = pathlib.Path("/srv/work")
BUCKET = os.environ["DRILL_BUCKET"]
LARGE = int(float(os.environ["DRILL_GB"]) * 1e9)
ROUNDS, CLIENTS, CROWD_MB = (int(os.environ[f"DRILL_{name}"]) for name in ("ROUNDS", "CLIENTS", "MB"))
SMALL_COUNT, SMALL_SIZE = 200, 10**6
QUIET_SECONDS = 30


def make(path, size):
    """A file whose every block is another one; what its content is."""
    block, found = os.urandom(BLOCK), hashlib.sha256()
    with open(path, "wb") as file:
        for start in range(0, size, BLOCK):
            part = (start.to_bytes(8, "big") + block[8:])[: size - start]
            found.update(part)
            file.write(part)
    return found.hexdigest()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same(path, wanted):
    if digest(path) != wanted:
        raise SystemExit(f"{path} is not what was sent")


def timed(work, *arguments, **options):
    begin = time.time()
    work(*arguments, **options)
    return [begin, time.time()]


def store():
    """The store itself, as MLflow's own repository asks it. The address that MLflow's client is told is another one."""
    return boto3.client("s3", endpoint_url=os.environ["DRILL_STORE_URL"], verify=os.environ["DRILL_STORE_CA"])


def run_of(client):
    return client.create_run(mlflow.get_experiment_by_name(os.environ["DRILL_EXPERIMENT"]).experiment_id).info.run_id


def large(size):
    """One file, up and down, by MLflow and straight to the store in turns."""
    client, direct, found = MlflowClient(), store(), {"up": [], "down": [], "store up": [], "store down": []}
    source, back = WORK / "large.bin", WORK / "back.bin"
    wanted = make(source, size)
    for _round in range(ROUNDS):
        run = run_of(client)
        found["up"].append(timed(client.log_artifact, run, str(source)))
        found["store up"].append(timed(direct.upload_file, str(source), BUCKET, "direct.bin"))
        for name, work in (
            ("down", lambda run=run: client.download_artifacts(run, source.name, str(WORK / "down"))),
            ("store down", lambda: direct.download_file(BUCKET, "direct.bin", str(back))),
        ):
            (WORK / "down").mkdir()
            found[name].append(timed(work))
            same(WORK / "down" / source.name if name == "down" else back, wanted)
            shutil.rmtree(WORK / "down")
            back.unlink(missing_ok=True)
        empty(direct)
    source.unlink()
    return {"bytes": size, "times": found}


def small():
    """A folder of files, up and down."""
    client, folder = MlflowClient(), WORK / "small"
    folder.mkdir()
    wanted = {f"{number}.bin": make(folder / f"{number}.bin", SMALL_SIZE) for number in range(SMALL_COUNT)}
    run = run_of(client)
    found = {"up": [timed(client.log_artifacts, run, str(folder), "small")]}
    found["down"] = [timed(client.download_artifacts, run, "small", str(WORK))]
    for name, content in wanted.items():
        same(WORK / "small" / name, content)
    shutil.rmtree(folder)
    empty(store())
    return {"bytes": SMALL_COUNT * SMALL_SIZE, "times": found}


def log(stopped, told):
    """Another client, that logs batches until it is stopped."""
    client, found = MlflowClient(), []
    run, step = run_of(client), 0
    while not stopped.is_set():
        begin = time.time()
        client.log_batch(run, [Metric(f"m{number}", step, 1, step) for number in range(10)])
        found.append([begin, time.time() - begin])
        step += 1
        stopped.wait(0.02)
    told.send(found)


def one_of_many(number, start, told):
    # They would be on other machines than the one that logs, and not take its processor.
    os.nice(10)
    client, folder = MlflowClient(), WORK / f"client-{number}"
    folder.mkdir()
    source = folder / "file.bin"
    wanted, run = make(source, CROWD_MB * BLOCK), run_of(client)
    start.wait()
    up = timed(client.log_artifact, run, str(source))
    source.unlink()
    start.wait()
    down = timed(client.download_artifacts, run, source.name, str(folder))
    same(source, wanted)
    shutil.rmtree(folder)
    told.send([up, down])


def crowd():
    """Many clients at once, and one that logs: before them, and beside their uploads. Each is a process, as in life."""
    fork = multiprocessing.get_context("fork")
    start, stopped = fork.Barrier(CLIENTS + 1), fork.Event()
    logged, logger_tells = fork.Pipe(duplex=False)
    pipes = [fork.Pipe(duplex=False) for _number in range(CLIENTS)]
    clients = [fork.Process(target=one_of_many, args=(number, start, pipe[1]), daemon=True) for number, pipe in enumerate(pipes)]
    logger = fork.Process(target=log, args=(stopped, logger_tells), daemon=True)
    for process in clients:
        process.start()
    # They have made their files when the last of them waits.
    while start.n_waiting < CLIENTS:
        alive(clients)
        time.sleep(0.2)
    logger.start()
    time.sleep(QUIET_SECONDS)
    began = time.time()
    start.wait()
    while start.n_waiting < CLIENTS:
        alive(clients)
        time.sleep(0.1)
    stopped.set()
    latencies = logged.recv()
    start.wait()
    times = [pipe[0].recv() for pipe in pipes if answers(pipe[0], clients)]
    for process in [*clients, logger]:
        process.join()
    alive(clients)
    # While all of them were at it.
    ended = min(up[1] for up, _down in times)
    spans = {"alone": (began - QUIET_SECONDS + 2, began), "beside": (began, ended)}
    return {
        "bytes": CLIENTS * CROWD_MB * BLOCK,
        "times": {way: [[min(t[i][0] for t in times), max(t[i][1] for t in times)]] for i, way in enumerate(("up", "down"))},
        "latencies": {name: [seconds for begin, seconds in latencies if since <= begin <= until] for name, (since, until) in spans.items()},
    }


def alive(clients):
    if failed := [process.exitcode for process in clients if process.exitcode]:
        raise SystemExit(f"{len(failed)} of {len(clients)} clients failed")


def answers(pipe, clients):
    while not pipe.poll(1):
        alive(clients)
    return True


def empty(direct):
    """Make room: the disk is not made for what is no longer needed."""
    for page in direct.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for one in page.get("Contents", ()):
            direct.delete_object(Bucket=BUCKET, Key=one["Key"])


def warm_up():
    """What the server loads when it is asked first is no growth."""
    client, told = MlflowClient(), {}
    run = run_of(client)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "warm.bin")
        make(source, 20 * BLOCK)
        for _time in range(2):
            client.log_artifact(run, str(source))
            client.download_artifacts(run, source.name, tempfile.mkdtemp(dir=folder))
        for step in range(100):
            client.log_batch(run, [Metric("m", step, 1, step)])
    told["until"] = time.time()
    time.sleep(2)
    return told


def main():
    if WORK.exists():
        shutil.rmtree(WORK)
    WORK.mkdir(parents=True)
    mlflow.set_experiment(os.environ["DRILL_EXPERIMENT"])
    empty(store())
    # A process that has made connections is no good parent of others, so they come first.
    told = {"warm": in_a_process(warm_up), "crowd": crowd(), "large": large(LARGE), "small": small()}
    empty(store())
    told["root"] = mlflow.get_experiment_by_name(os.environ["DRILL_EXPERIMENT"]).artifact_location
    print(json.dumps(told))


def in_a_process(work):
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=lambda: there.send(work()))
    process.start()
    process.join()
    return here.recv()


if __name__ == "__main__":
    main()
