# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.weak_password import weak_password


@pytest.mark.parametrize("password", ["", "x", "letters", "CHANGE-ME", "please change me", "Change_Me-123", 1234567])
def test_weak(password):
    assert weak_password(password)


@pytest.mark.parametrize("password", ["right-password", "ééééüüüü", "{{ x }} % @", 12345678])
def test_good(password):
    assert not weak_password(password)
