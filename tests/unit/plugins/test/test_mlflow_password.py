# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.mlflow_password import mlflow_password


@pytest.mark.parametrize("password", ["a" * 12, "p%o@o{{x}} 'a\"s", 123456789012])
def test_passwords_that_mlflow_takes(password):
    assert mlflow_password(password)


@pytest.mark.parametrize("password", ["", "a" * 11, "é" + "a" * 12, "password1234"])
def test_passwords_that_it_does_not(password):
    assert not mlflow_password(password)
