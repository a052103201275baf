#!/usr/bin/env bash
# The guides' installation of MLflow: pip_install.sh FOLDER. The versions are those of our lock, so that both serve the same code.
set -euo pipefail
python3 -m venv "$1"
"$1/bin/pip" install --quiet "mlflow==$MLFLOW_VERSION" psycopg2-binary boto3 \
  --constraint <(grep -v -- --hash "/locks/$MLFLOW_VERSION/server.txt" | sed 's/ \\$//')
