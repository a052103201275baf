# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.filter.unsupported_system import DOCUMENTATION, SUPPORTED, unsupported_system

ROOT = Path(__file__).parents[4]


def facts(name, version):
    return {"distribution": name, "distribution_version": version, "distribution_major_version": version.split(".")[0]}


@pytest.mark.parametrize("system", [("Debian", "12.7"), ("Debian", "13"), ("Ubuntu", "22.04"), ("Ubuntu", "24.04")])
def test_supported(system):
    assert unsupported_system(facts(*system)) == []


@pytest.mark.parametrize("system", [("Debian", "11.9"), ("Ubuntu", "24.10"), ("Ubuntu", "22.10"), ("Fedora", "13")])
def test_others_are_named_beside_what_can_be_used(system):
    (said,) = unsupported_system(facts(*system))
    assert said == f"{' '.join(system)}, use Debian 12 or 13, or Ubuntu 22.04 or 24.04"


def test_the_same_systems_everywhere():
    """The roles' metadata, PostgreSQL's versions, the README and the documentation of the filter say what the filter goes by."""
    releases = {"bookworm": ("Debian", "12"), "trixie": ("Debian", "13"), "jammy": ("Ubuntu", "22.04"), "noble": ("Ubuntu", "24.04")}
    supported = {(name, version) for name, versions in SUPPORTED.items() for version in versions}
    roles = {path.parents[1].name: yaml.safe_load(path.read_text())["galaxy_info"]["platforms"] for path in ROOT.glob("roles/*/meta/main.yml")}
    named = {role: {releases[version] for platform in platforms for version in platform["versions"]} for role, platforms in roles.items()}
    assert named == dict.fromkeys(roles, supported)
    postgres = yaml.safe_load((ROOT / "roles/postgres/vars/main/main.yml").read_text())
    assert {releases[name] for name in postgres["__postgres_distribution_versions"]} == supported
    words = [f"{name} {' and '.join(versions)}" for name, versions in SUPPORTED.items()]
    (machines,) = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| Machines |")]
    assert [word for word in words if word not in machines or word not in DOCUMENTATION] == []
