# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.unsupported_system import unsupported_system


def facts(name, version):
    return {"distribution": name, "distribution_version": version, "distribution_major_version": version.split(".")[0]}


@pytest.mark.parametrize("system", [("Debian", "12.7"), ("Debian", "13"), ("Ubuntu", "22.04"), ("Ubuntu", "24.04")])
def test_supported(system):
    assert unsupported_system(facts(*system)) == []


@pytest.mark.parametrize("system", [("Debian", "11.9"), ("Ubuntu", "24.10"), ("Ubuntu", "22.10"), ("Fedora", "13")])
def test_others_are_named_beside_what_can_be_used(system):
    (said,) = unsupported_system(facts(*system))
    assert said == f"{' '.join(system)}, use Debian 12 or 13, or Ubuntu 22.04 or 24.04"
