"""Runs modules in one process on a host, without Ansible: a line of JSON for each call and for each answer. Ansible would take a second for each."""

import contextlib
import importlib
import io
import json
import sys

from ansible.module_utils.testing import patch_module_args

PLUGINS = "ansible_collections.mlops.mlflow.plugins"


def run_module(name, options, check):
    out = io.StringIO()
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        importlib.import_module(f"{PLUGINS}.modules.{name}").main()
    return json.loads(out.getvalue())


def ask_api(connection, method, path, content):
    """What MLflow answers, and the status where it refuses."""
    api = importlib.import_module(f"{PLUGINS}.module_utils._mlflow_api")
    client = api.Api(**{key: value for key, value in connection.items() if key != "workspace"})
    client.enter(connection.get("workspace", "default"))
    try:
        return {"answer": client.get("ask", path, **content) if method == "GET" else client.send("ask", method, path, **content)}
    except api.ApiError as exc:
        return {"status": exc.status, "msg": str(exc)}


for line in sys.stdin:
    function, *arguments = json.loads(line)
    print(json.dumps({"module": run_module, "api": ask_api}[function](*arguments)), flush=True)
