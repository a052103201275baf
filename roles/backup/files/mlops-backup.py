"""Backups of an MLflow server: mlops-backup --help"""

import sys

sys.path.insert(0, "/opt/mlops-backup")
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.program import main

sys.exit(main())
