# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unsupported_system
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Says of a host that its system is none that the roles support
description:
  - The roles of this collection support Debian 12 and 13, and Ubuntu 22.04 and 24.04.
options:
  _input:
    description: The facts C(distribution), C(distribution_version) and C(distribution_major_version) of the host, such as C(ansible_facts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse other systems
  mlops.mlflow.assert_all:
    checks:
      - none: ansible_facts | mlops.mlflow.unsupported_system
        message: "This system is not supported: %s."
"""

RETURN = r"""
_value:
  description: Empty for a supported system, else one text that names the system and those that are supported.
  type: list
  elements: str
"""

SUPPORTED = {"Debian": ("12", "13"), "Ubuntu": ("22.04", "24.04")}


def unsupported_system(facts: dict[str, str]) -> list[str]:
    """Debian's fact is the point release, Ubuntu's the whole name of a release."""
    name, version, major = facts["distribution"], facts["distribution_version"], facts["distribution_major_version"]
    if {version, major} & set(SUPPORTED.get(name, ())):
        return []
    supported = ", or ".join(f"{system} {' or '.join(versions)}" for system, versions in SUPPORTED.items())
    return [f"{name} {version}, use {supported}"]


class FilterModule:
    """What the collection is tested on."""

    def filters(self) -> dict[str, object]:
        return {"unsupported_system": unsupported_system}
