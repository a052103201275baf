#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_workspace
short_description: Manage workspaces of an MLflow tracking server
version_added: 1.0.0
description:
  - Creates, changes and removes workspaces of a server that runs with C(--enable-workspaces), which MLflow has since version 3.10.
  - An option that is not given is not touched.
  - The server needs no login application. With one, the login must be that of an administrator.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_api
options:
  name:
    description: Name of the workspace, 2 to 63 small letters, digits and hyphens. V(default) is always there.
    type: str
    required: true
  description:
    description: What the workspace is for. V("") takes it away.
    type: str
  default_artifact_root:
    description:
      - URI of the place where experiments that are made from then on keep their artifacts. V("") lets the server decide.
      - Those that exist stay where they are.
    type: str
  trace_archival_location:
    description: URI of the place where old traces are archived, for a server that archives traces. V("") lets the server decide.
    type: str
  trace_archival_retention:
    description: How long traces are kept before, such as V(30d). V("") lets the server decide.
    type: str
  state:
    description: Whether the workspace exists.
    type: str
    choices: [present, absent]
    default: present
  resources:
    description:
      - What becomes of experiments, models and so on in a workspace that is removed with O(state=absent).
      - With V(refuse) it is not removed while there are any, also deleted ones, which check mode does not foretell. V(move) takes them to the workspace
        V(default), and V(remove) deletes them.
    type: str
    choices: [refuse, move, remove]
    default: refuse
seealso:
  - module: mlops.mlflow.mlflow_role
  - module: mlops.mlflow.mlflow_workspace_info
"""

EXAMPLES = r"""
- name: Make a workspace with a place of its own for artifacts
  mlops.mlflow.mlflow_workspace:
    url: https://mlflow.example.com
    login_user: admin
    login_password: "{{ vault_mlflow_admin_password }}"
    name: team-a
    description: Fraud detection
    default_artifact_root: s3://mlflow-team-a
"""

RETURN = r"""
workspace:
  description: The workspace as it is now, or would be in check mode. Empty when it does not exist.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the workspace.
      type: str
    description:
      description: What it is for.
      type: str
    default_artifact_root:
      description: Where new experiments keep their artifacts. Empty where the server decides.
      type: str
    trace_archival_location:
      description: Where old traces are archived. Empty where the server decides.
      type: str
    trace_archival_retention:
      description: How long traces are kept before. Empty where the server decides.
      type: str
  sample:
    name: team-a
    description: Fraud detection
    default_artifact_root: s3://mlflow-team-a
    trace_archival_location: ""
    trace_archival_retention: ""
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api_module import api_argument_spec, run
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_identity import ensure_workspace


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **api_argument_spec(),
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "default_artifact_root": {"type": "str"},
            "trace_archival_location": {"type": "str"},
            "trace_archival_retention": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "resources": {"type": "str", "choices": ["refuse", "move", "remove"], "default": "refuse"},
        },
        supports_check_mode=True,
    )
    before, after = run(module, ensure_workspace, check_mode=module.check_mode)
    module.exit_json(changed=before != after, workspace=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
