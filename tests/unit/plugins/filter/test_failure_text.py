# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.failure_text import failure_text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"failed": True, "msg": "no"}, "no"),
        ({"failed": True, "msg": "no", "stderr": "why", "rc": 1}, "no why"),
        ({"failed": True, "msg": "One or more items failed", "results": [{"failed": False, "msg": "a"}, {"msg": "b"}, {"failed": True, "msg": "c"}]}, "c"),
        ({"results": []}, ""),
        ({"skipped": True, "msg": "x"}, ""),
        ({}, ""),
    ],
)
def test_the_first_failure_says_what_is_wrong(result, text):
    assert failure_text(result) == text
