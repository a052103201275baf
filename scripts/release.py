"""Prints what is known of a version of MLflow without installing it: release.py VERSION PACKAGE_FOLDER."""

from __future__ import annotations

import json
import sys

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.schema import MIGRATIONS, read_migrations

version, package = sys.argv[1:]
components = {name: ",\n".join(json.dumps(one) for one in read_migrations(package, name)) for name in MIGRATIONS}
print(f'{{"version": {json.dumps(version)}', *(f'"{name}": [\n{revisions}\n]' for name, revisions in components.items()), sep=",\n", end="}\n")
