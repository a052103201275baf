# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections import Counter

DOCUMENTATION = r"""
name: repeated
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: What a list holds more than once
description:
  - Upper and lower case are different.
options:
  _input:
    description: Texts, such as names.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check that each name occurs once
  mlops.mlflow.assert_all:
    checks:
      - none: users | map(attribute='name') | mlops.mlflow.repeated
        message: Each user must be there once, and %s is not.
"""

RETURN = r"""
_value:
  description: What occurs more than once, each once.
  type: list
  elements: str
"""


def repeated(values: t.Iterable[str]) -> list[str]:
    """In the order of their first occurrence."""
    return [value for value, count in Counter(values).items() if count > 1]


class FilterModule:
    """What is there twice."""

    def filters(self) -> dict[str, object]:
        return {"repeated": repeated}
