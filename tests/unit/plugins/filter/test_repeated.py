# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.filter.repeated import repeated


def test_each_once_and_case_counts():
    assert repeated(["b", "a", "b", "A", "b", "a"]) == ["b", "a"]
    assert repeated(name for name in ("a", "A")) == []
