"""Moves artifacts by MLflow's client. Server and login are in MLflow's environment.

Usage: client.py up COUNT     files of 1 MB into a new run; prints the run's id and seconds
       client.py down RUN     all of them; prints seconds
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import mlflow

action, argument = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    if action == "up":
        for number in range(int(argument)):
            (Path(folder) / f"{number}.bin").write_bytes(os.urandom(1_000_000))
        mlflow.set_experiment("bench artifacts")
        with mlflow.start_run() as run:
            start = time.monotonic()
            mlflow.log_artifacts(folder)
            seconds = time.monotonic() - start
        print(run.info.run_id, seconds)
    else:
        start = time.monotonic()
        mlflow.artifacts.download_artifacts(run_id=argument, dst_path=folder)
        print(time.monotonic() - start)
        if any(file.stat().st_size != 1_000_000 for file in Path(folder).iterdir()):
            sys.exit("a file came back with another size")
