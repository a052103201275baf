# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.places import place_of

DOCUMENTATION = r"""
name: artifact_place
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: The place that MLflow has a URI for
description:
  - Takes the URI of an artifact store apart, into the words for places that M(mlops.mlflow.mlflow_artifact_copy) and the role backup take.
positional: _input, store
options:
  _input:
    description: An C(s3://) URI or a folder.
    type: str
    required: true
  store:
    description: The C(endpoint_url), C(region), C(access_key_id) and C(secret_access_key) of the S3 server. What is empty is left out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say where the artifacts of the server are
  ansible.builtin.debug:
    msg: "{{ 's3://mlflow/team' | mlops.mlflow.artifact_place({'endpoint_url': 'https://s3.example.org'}) }}"
"""

RETURN = r"""
_value:
  description: The place.
  type: dict
"""


def artifact_place(uri: str, store: dict[str, t.Any]) -> dict[str, t.Any]:
    try:
        return place_of(uri, store)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """Places of artifacts."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"artifact_place": artifact_place}
