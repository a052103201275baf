# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.bucket_name import bucket_name


@pytest.mark.parametrize("name", ["mlflow", "a.b-c", "0ab", "a" * 63])
def test_allowed(name):
    assert bucket_name(name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 64, "My_Bucket", "-ab", "a..b", "a.-b", "10.0.0.1", "xn--a", "a-s3alias", "ab\n"])
def test_forbidden(name):
    assert not bucket_name(name)
