# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re

DOCUMENTATION = r"""
name: uncovered_names
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Which names a certificate is not for
description:
  - Compares names with those that a certificate carries, as clients do. A wildcard stands for exactly one label.
positional: _input
options:
  _input:
    description: DNS names and IP addresses that clients use.
    type: list
    elements: str
    required: true
  carried:
    description: The subject alternative names of the certificate, as RV(community.crypto.x509_certificate_info#module:subject_alt_name) has them.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check that the certificate covers the name
  mlops.mlflow.assert_all:
    checks:
      - none: "['db.example.com'] | mlops.mlflow.uncovered_names(certificate.subject_alt_name)"
        message: The certificate is not for %s.
"""

RETURN = r"""
_value:
  description: The names that it does not cover.
  type: list
  elements: str
"""


def normal(name: str) -> str:
    """One spelling for each name and address."""
    plain = re.sub("^(?:dns|ip(?: address)?):", "", name.lower())
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain


def uncovered_names(names: list[str], carried: list[str]) -> list[str]:
    """Judge each name by itself and by the wildcard that would cover it."""
    known = {normal(name) for name in carried}
    return [name for name in dict.fromkeys(names) if not {normal(name), re.sub("^[^.]+", "*", name.lower())} & known]


class FilterModule:
    """What a certificate is for."""

    def filters(self) -> dict[str, object]:
        return {"uncovered_names": uncovered_names}
