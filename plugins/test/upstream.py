# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: upstream
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether a text names a server as nginx takes it
description:
  - V(host:port) with an IPv6 address in brackets, or V(unix:) with an absolute path, without a scheme.
options:
  _input:
    description: The server.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what nginx cannot use
  ansible.builtin.assert:
    that: servers | reject('mlops.mlflow.upstream') | length == 0
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

SOCKET = re.compile(r"unix:/[^\s;{}:\"']+")
PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?):([0-9]{1,5})")


def upstream(server: object) -> bool:
    """Say whether nginx takes it as the server of an upstream."""
    text = str(server)
    place = PLACE.fullmatch(text)
    return bool(SOCKET.fullmatch(text)) or bool(place and 0 < int(place[1]) < 65536)


class TestModule:
    """Jinja tests for servers behind nginx."""

    def tests(self) -> dict[str, object]:
        return {"upstream": upstream}
