# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.backup_problems import backup_problems

GOOD = {
    "databases": {"tracking": {"host": "/run/postgresql", "name": "mlflow", "user": "reader", "password": "p@ss"}, "auth": "sqlite:////srv/auth.db"},
    "check_database": {"host": "/run/postgresql", "name": "check"},
    "artifacts": {"type": "folder", "path": "/srv/artifacts"},
    "destination": {"type": "folder", "path": "/srv/backup"},
}


def test_good_words_have_no_problems():
    assert backup_problems(GOOD) == []
    assert backup_problems({**GOOD, "check_database": "", "artifacts": {}}) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"databases": {}}, ["backup_databases needs tracking"]),
        ({"databases": {"tracking": {"host": "h"}}}, ["backup_databases.tracking: The database needs a name"]),
        ({"databases": {"tracking": "mysql+pymysql://u:s3cr3t@h/d"}}, ["backup_databases.tracking is a database of mysql"]),
        ({"check_database": GOOD["databases"]["tracking"] | {"user": "other"}}, ["backup_check_database is the same database as backup_databases.tracking"]),
        ({"check_database": "sqlite:////srv/x.db"}, ["backup_check_database must be a database of PostgreSQL"]),
        ({"artifacts": {"type": "s3"}}, ["backup_artifacts of the type s3 needs access_key_id, bucket"]),
        ({"destination": {}}, ["backup_destination needs a type"]),
        ({"destination": {"type": "folder", "path": "/srv/artifacts/backup"}}, ["backup_destination is the same place as backup_artifacts"]),
    ],
)
def test_each_problem_is_told(change, says):
    problems = backup_problems({**GOOD, **change})
    assert [text for text in says if not any(text in problem for problem in problems)] == []
    assert len(problems) == len(says)
    assert "s3cr3t" not in "".join(problems)
