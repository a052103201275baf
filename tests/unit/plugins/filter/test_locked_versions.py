# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.filter.locked_versions import locked_versions


def test_versions_are_folders_with_a_lock_in_their_order(tmp_path):
    for name in ("3.9.0", "3.17.2", "3.12.0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "server.txt").touch()
    (tmp_path / "3.18.0").mkdir()
    (tmp_path / "README").touch()
    assert locked_versions(str(tmp_path)) == ["3.9.0", "3.12.0", "3.17.2"]
