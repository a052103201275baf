"""Runs `mlflow server` so that the web server takes the place of the command, which else stays as a parent process of 200 MB without a task.

Arguments: those of the `mlflow` command.
"""

import os
import sys

import mlflow.server
from mlflow.cli import cli


def take_place(command, extra_env=None, **_options):
    os.environ.update(extra_env or {})
    # MLflow binds gunicorn to a TCP port in any case; its configuration file knows better.
    if "gunicorn" in command and "-b" in command:
        start = command.index("-b")
        del command[start : start + 2]
    if command[-1] == "mlflow.server.fastapi_app:app":
        command[-1:] = ["--app-dir", os.path.dirname(os.path.abspath(__file__)), "bounds:app"]
    os.execv(command[0], command)


mlflow.server._exec_cmd = take_place
sys.argv[0] = "mlflow"
cli()
