# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import is_due

DOCUMENTATION = r"""
name: mlflow_service_due
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether the module mlflow_service would restart or prove something
description:
  - Judges what M(mlops.mlflow.host_info) has found as M(mlops.mlflow.mlflow_service) does, without another call of the host.
positional: _input, units, kept_file
options:
  _input:
    description: What M(mlops.mlflow.host_info) has found, with the units in C(services), the files that they read in C(service_files), and C(paths).
    type: dict
    required: true
  units:
    description: The names of the units, the one first that starts at boot.
    type: list
    elements: str
    required: true
  kept_file:
    description: The archive of the files with which the server has served.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Find a server that does not run what is written
  ansible.builtin.debug:
    msg: "{{ host | mlops.mlflow.mlflow_service_due(['mlflow.service'], '/etc/mlflow/mlflow.proven.tar') }}"
"""

RETURN = r"""
_value:
  description: Whether there is something to do.
  type: bool
"""


def mlflow_service_due(host: dict[str, t.Any], units: list[str], kept_file: str) -> bool:
    """As of the time at which the host was asked."""
    return is_due(host["services"], units, host["paths"][kept_file] != "absent")


class FilterModule:
    """What has to be done."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_service_due": mlflow_service_due}
