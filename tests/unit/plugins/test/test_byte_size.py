# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.byte_size import byte_size


@pytest.mark.parametrize("size", ["0", 0, 1073741824, "500G", "1.5 GB", "10m"])
def test_sizes(size):
    assert byte_size(size)


@pytest.mark.parametrize("size", ["", "much", "-1", "-1G", "10 apples", "5 GiBs", None])
def test_no_sizes(size):
    assert not byte_size(size)
