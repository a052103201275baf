# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import routes

DOCUMENTATION = r"""
name: mlflow_paths
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: The paths of MLflow that a reverse proxy treats in a way of their own
description:
  - One regular expression for all paths of a kind, as nginx takes it. It begins at the start of a path.
positional: _input, kind
options:
  _input:
    description: The C(--static-prefix) of the server, such as V(/mlflow). Empty for none.
    type: str
    required: true
  kind:
    description:
      - V(artifacts) is the single files of the artifact store, up and down; V(downloads) is all paths that send such a file as it is.
      - V(fastapi) is what MLflow's FastAPI application has and its Flask application lacks or does worse.
      - V(streamed) is what may be of any size and is passed on as it comes.
      - V(buffered) is the files that pass through the Flask application.
      - V(small) is what stores nothing, so that its body is small.
    type: str
    choices: [artifacts, downloads, fastapi, streamed, buffered, small]
    required: true
"""

EXAMPLES = r"""
- name: Show what belongs to the second server
  ansible.builtin.debug:
    msg: "{{ '' | mlops.mlflow.mlflow_paths('fastapi') }}"
"""

RETURN = r"""
_value:
  description: The regular expression.
  type: str
"""


class FilterModule:
    """What a proxy must know of MLflow."""

    def filters(self) -> dict[str, object]:
        return {"mlflow_paths": lambda prefix, kind: routes.pattern(kind, prefix)}
