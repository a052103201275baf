# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _nftables

DOCUMENTATION = r"""
name: nftables_table
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: A table of nftables that opens ports for some machines alone
description:
  - Writes the commands for C(nft) that replace one table of the family C(inet). Other tables are left alone.
  - The table drops what comes to the given ports from elsewhere. It decides nothing about other ports, nor about the machine itself.
positional: _input
options:
  _input:
    description: The rules, each with a C(port) of TCP, and as C(sources) the addresses and networks that may reach it.
    type: list
    elements: dict
    required: true
  name:
    description: The name of the table.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ [{'port': 5432, 'sources': ['10.0.0.5']}] | mlops.mlflow.nftables_table('database') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""


class FilterModule:
    """Rules of a packet filter as text."""

    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"nftables_table": _nftables.table_text}
