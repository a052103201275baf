# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.mlops.mlflow.plugins.modules import s3_bucket

ROLE = Path(__file__).parents[4] / "roles/minio"


def test_the_role_takes_every_option_of_a_bucket():
    options = set(yaml.safe_load(s3_bucket.DOCUMENTATION)["options"])
    specification = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    (task,) = yaml.safe_load((ROLE / "tasks/buckets.yml").read_text())
    assert set(specification["minio_buckets"]["options"]) == options
    assert set(task["mlops.mlflow.s3_bucket"]) == options
