# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: nginx_build
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Reads what nginx says of itself
description:
  - Finds the versions of nginx and of the OpenSSL that it runs with in what C(nginx -V) prints.
options:
  _input:
    description: What C(nginx -V) wrote to standard error. Empty where there is no nginx yet.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the version of nginx
  ansible.builtin.debug:
    msg: "{{ (build.stderr | mlops.mlflow.nginx_build).version }}"
"""

RETURN = r"""
_value:
  description:
    - The versions C(version) and C(openssl). What is not said is as old as it is on the oldest system that the collection supports.
  type: dict
"""

OLDEST = {"version": "1.18.0", "openssl": "1.1.1"}


def nginx_build(text: str) -> dict[str, str]:
    """OpenResty says nginx's version under its own name. Of two OpenSSLs the last is the one that runs."""
    found = {"version": re.findall(r"(?:nginx|openresty)/([0-9.]+)", text)[:1], "openssl": re.findall(r"OpenSSL ([0-9.]+)", text)[-1:]}
    return {name: (versions or [OLDEST[name]])[0] for name, versions in found.items()}


class FilterModule:
    """What a program says of itself."""

    def filters(self) -> dict[str, object]:
        return {"nginx_build": nginx_build}
