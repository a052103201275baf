#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: assert_all
short_description: Checks conditions that have a message each, and reports all that do not hold
version_added: 1.0.0
description:
  - As M(ansible.builtin.assert), but each condition has a message of its own, and one run names everything that has to be set right.
  - Runs on the controller and changes nothing.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
attributes:
  diff_mode:
    support: none
options:
  checks:
    description: The checks, in the order in which problems are named. Each takes either O(checks[].that) or O(checks[].none).
    type: list
    elements: dict
    required: true
    suboptions:
      that:
        description: The condition that must hold, as in C(when), without braces.
        type: raw
      none:
        description: An expression without braces that gives a list which must be empty.
        type: str
      when:
        description: Condition for the check to count. The others do not hold it up, so it may guard what could not be computed.
        type: raw
        default: true
      message:
        description: What is wrong and what to set. C(%s) in it stands for what is in the list of O(checks[].none).
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Check the input
  mlops.mlflow.assert_all:
    checks:
      - that: mlflow_server_port | int in range(1, 65536)
        message: mlflow_server_port must be between 1 and 65535, not {{ mlflow_server_port }}.
      - none: minio_users | rejectattr('policies', 'defined') | map(attribute='access_key')
        message: Give policies to each of minio_users; %s have none.
"""

RETURN = r"""
problems:
  description: The messages of the checks that do not hold.
  returned: failure
  type: list
  elements: str
"""
