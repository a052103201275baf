# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils import _bucket_name

DOCUMENTATION = r"""
name: bucket_name
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether S3 allows a name for a bucket
description:
  - The rule of M(mlops.mlflow.s3_bucket) - 3 to 63 lower case letters, digits, dots and hyphens, beginning and ending with a letter or digit,
    no address, and no prefix or suffix that is reserved.
options:
  _input:
    description: The name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse names that S3 forbids
  ansible.builtin.assert:
    that: buckets | reject('mlops.mlflow.bucket_name') | length == 0
"""

RETURN = r"""
_value:
  description: Whether it is allowed.
  type: bool
"""


def bucket_name(name: object) -> bool:
    """Say whether S3 allows the name."""
    return _bucket_name.forbidden(str(name)) is None


class TestModule:
    """Jinja tests for buckets."""

    def tests(self) -> dict[str, object]:
        return {"bucket_name": bucket_name}
