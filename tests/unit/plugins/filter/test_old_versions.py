# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.old_versions import old_versions

FOLDERS = [{"path": f"/opt/mlflow/venvs/{name}", "mtime": age} for age, name in enumerate(["3.9.0", "3.12.0", "3.17.2", "3.10.0"])]


@pytest.mark.parametrize(
    ("keep", "needed", "old"),
    [
        (4, [], []),
        (2, [], ["3.12.0", "3.9.0"]),
        (1, [], ["3.17.2", "3.12.0", "3.9.0"]),
        (2, ["3.9.0"], ["3.17.2", "3.12.0"]),
        (1, ["3.9.0", "3.12.0"], ["3.10.0", "3.17.2"]),
        (2, ["1.0.0"], ["3.12.0", "3.9.0"]),
    ],
)
def test_the_newest_and_the_needed_ones_stay(keep, needed, old):
    assert old_versions(FOLDERS, keep, needed) == old
