# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: taken_ports
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Which ports of a server others hold already
description:
  - Compares where a server is to listen with who listens on the host.
  - A wildcard, such as V(0.0.0.0), V(::) or an empty address, meets every address.
positional: _input
options:
  _input:
    description: The RV(mlops.mlflow.host_info#module:listeners) of the module.
    type: list
    elements: dict
    required: true
  places:
    description: Where the server is to listen, each an C(address) and a C(port).
    type: list
    elements: dict
    required: true
  service:
    description: The systemd unit of the server. What it holds is its own.
    type: str
    required: true
  uid:
    description:
      - The user ID of the running server, or null. Not every container lets root see the processes of others, but the owner of a socket can be seen.
    type: int
"""

EXAMPLES = r"""
- name: Check that the port is free
  mlops.mlflow.assert_all:
    checks:
      - none: >-
          host.listeners | mlops.mlflow.taken_ports([{'address': '0.0.0.0', 'port': 9000}], service='minio.service', uid=host.services['minio.service'].uid)
        message: Free %s, or choose another port.
"""

RETURN = r"""
_value:
  description: For each port that is taken a text that names it and who holds it.
  type: list
  elements: str
"""

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104


def taken_ports(listeners: list[dict], places: list[dict], service: str, uid: int | None = None) -> list[str]:
    """Name the holders, each port and process once."""
    others = [listener for listener in listeners if listener["service"] != service and (uid is None or listener["uid"] != uid)]
    found = [
        f"{other['port']} (held by {holder(other)})"
        for place in places
        for other in others
        if other["port"] == int(place["port"]) and meet(str(place["address"]).strip("[]"), other["address"])
    ]
    return list(dict.fromkeys(found))


def meet(one: str, other: str) -> bool:
    return one == other or one in WILDCARDS or other in WILDCARDS


def holder(listener: dict) -> str:
    if listener["process"]:
        return f"{listener['process']} pid={listener['pid']}"
    return f"a process of user {listener['user']}"


class FilterModule:
    """Who is in the way."""

    def filters(self) -> dict[str, object]:
        return {"taken_ports": taken_ports}
