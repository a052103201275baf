# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.uncovered_names import uncovered_names

CARRIED = ["DNS:example.com", "dns:*.Apps.example.com", "IP:10.0.0.5", "IP Address:fd00::5"]


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("example.com", True),
        ("Example.COM", True),
        ("ml.apps.example.com", True),
        ("*.apps.example.com", True),
        ("a.ml.apps.example.com", False),
        ("apps.example.com", False),
        ("10.0.0.5", True),
        ("fd00:0:0::5", True),
        ("10.0.0.6", False),
    ],
)
def test_names(name, covered):
    assert uncovered_names([name, name], CARRIED) == ([] if covered else [name])
    assert uncovered_names([name], []) == [name]
