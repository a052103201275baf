# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: taken_ports
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Which ports of a server others hold already
description:
  - Compares where a server is to listen with who listens on the host.
  - A wildcard, such as V(*), V(0.0.0.0), V(::) or an empty address, meets every address.
positional: _input
options:
  _input:
    description: The RV(mlops.mlflow.host_info#module:listeners) of the module.
    type: list
    elements: dict
    required: true
  ports:
    description: The ports that the server needs.
    type: list
    elements: int
    required: true
  addresses:
    description: Where the server is to listen, IPv6 addresses with or without brackets.
    type: list
    elements: str
    default: ["*"]
  service:
    description: The systemd unit of the server. What it holds is its own.
    type: str
    required: true
  process:
    description: The name of the server's process. What it holds is its own, whoever started it.
    type: str
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
          host.listeners | mlops.mlflow.taken_ports([9000], ['127.0.0.1'], service='minio.service', uid=host.services['minio.service'].uid)
        message: Free %s, or choose another port.
"""

RETURN = r"""
_value:
  description: For each port that is taken a text that names it and who holds it.
  type: list
  elements: str
"""

WILDCARDS = ("", "*", "0.0.0.0", "::")  # noqa: S104


def taken_ports(
    listeners: list[dict],
    ports: list[int | str],
    addresses: t.Sequence[str] = ("*",),
    *,
    service: str,
    process: str | None = None,
    uid: int | None = None,
) -> list[str]:
    """Name the holders, each port and process once."""
    places = [str(address).strip("[]").lower() for address in addresses]
    numbers = {int(port) for port in ports}
    found = [
        f"{other['port']} (held by {holder(other)})"
        for other in listeners
        if other["port"] in numbers
        and other["service"] != service
        and (process is None or other["process"] != process)
        and (uid is None or other["uid"] != uid)
        and any(meet(place, other["address"]) for place in places)
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
