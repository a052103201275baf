# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _nftables

DOCUMENTATION = r"""
name: nftables_problems
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What is wrong with rules for mlops.mlflow.nftables_table
description:
  - Looks at ports and addresses, and says what to write instead. Nothing is looked up.
positional: _input
options:
  _input:
    description: The rules, as P(mlops.mlflow.nftables_table#filter) takes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse wrong rules
  ansible.builtin.assert:
    that: rules | mlops.mlflow.nftables_problems | length == 0
    fail_msg: "{{ rules | mlops.mlflow.nftables_problems | join(' ') }}"
"""

RETURN = r"""
_value:
  description: A sentence for each problem.
  type: list
  elements: str
"""


class FilterModule:
    """Judgements on rules of a packet filter."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"nftables_problems": _nftables.rule_problems}
