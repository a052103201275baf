# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

DOCUMENTATION = r"""
name: hands_out_ca
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether clients of these hosts need a CA certificate that a role hands out
description:
  - The own CA of a role is one that nobody knows. A certificate of yours, or of an ACME server, without a CA file is one of a CA that every machine knows.
positional: _input, variables
options:
  _input:
    description: The variables of the hosts, such as V(groups['postgres'] | map('extract', hostvars)). The first of them decides.
    type: list
    elements: dict
    required: true
  variables:
    description:
      - How the variables of the role begin that say where its certificate comes from. V(postgres_tls) is for C(postgres_tls_source) and
        C(postgres_tls_ca_file), V(nginx_tls) for C(nginx_tls_certificate_source) and C(nginx_tls_ca_file).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Take the certificate of the store's CA, where it has one of its own
  ansible.builtin.set_fact:
    mlflow_server_s3_ca_file: "{{ '.ca/minio.crt' if groups['minio'] | map('extract', hostvars) | mlops.mlflow.hands_out_ca('minio_tls') else '' }}"
"""

RETURN = r"""
_value:
  description: Whether there is such a certificate. Not without a host.
  type: bool
"""


def hands_out_ca(hosts: t.Iterable[Mapping[str, t.Any]], variables: str) -> bool:
    """The names of the variables differ by one word between the roles."""
    for host in hosts:
        source = host.get(f"{variables}_source") or host.get(f"{variables}_certificate_source") or "selfsigned"
        return source == "selfsigned" or bool(host.get(f"{variables}_ca_file"))
    return False


class FilterModule:
    """What the wiring of a site asks."""

    def filters(self) -> dict[str, object]:
        return {"hands_out_ca": hands_out_ca}
