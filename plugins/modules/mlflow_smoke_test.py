#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_smoke_test
short_description: Prove that an MLflow tracking server works for its users
version_added: 1.0.0
description:
  - Does through the public URL what users do, with MLflow's own client - an experiment, a run, a parameter, a metric, an artifact
    up and down with equal SHA-256, a registered model - and checks that the login is asked for and that the browser's requests pass.
  - Removes what it made. Experiment and run are soft-deleted, as MLflow does it; C(mlflow gc) takes their rows away.
  - Fails with the name of the step. Skipped in check mode.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: none
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
options:
  tracking_uri:
    description: The public URL, such as V(https://mlflow.example.com), without a slash at the end.
    type: str
    required: true
  username:
    description: User to log in as. Without it no login is tried.
    type: str
  password:
    description: Password of O(username).
    type: str
  client_cert_content:
    description: The client's certificate with its key (PEM), for a server that lets in who shows one. Without it no certificate is shown.
    type: str
  ca_content:
    description: Certificates (PEM) that the server's certificate is checked with. Without it, the trust of the C(certifi) package counts.
    type: str
  s3:
    description: Access to the store, for a server whose clients move artifacts with access keys of their own.
    type: dict
    suboptions:
      endpoint_url:
        description: Address of the store.
        type: str
        required: true
      access_key_id:
        description: Access key.
        type: str
        required: true
      secret_access_key:
        description: Its secret.
        type: str
        required: true
  timeout:
    description: Limit for each step, in seconds.
    type: int
    default: 60
  artifact_bytes:
    description: Size of the artifact, in bytes.
    type: int
    default: 1048576
requirements:
  - mlflow 3 in the Python that runs the module; set C(ansible_python_interpreter) to that of a virtual environment
"""

EXAMPLES = r"""
- name: Prove the server from the machine that runs Ansible
  mlops.mlflow.mlflow_smoke_test:
    tracking_uri: https://mlflow.example.com
    username: mlflow
    password: "{{ vault_site_login_password }}"
    ca_content: "{{ lookup('ansible.builtin.file', 'inventory/.ca/nginx_tls.crt') }}"
  vars:
    ansible_python_interpreter: /opt/mlflow/current/bin/python
"""

RETURN = r"""
seconds:
  description: Time that each step took, in seconds.
  returned: success
  type: dict
  sample: {"login": 0.05, "origin": 0.02, "run": 0.2, "artifact": 0.3, "model": 0.1, "remove": 0.2}
"""

import contextlib
import os
import tempfile
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._smoke import SmokeError, SmokeTest, configure_client


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "tracking_uri": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "client_cert_content": {"type": "str", "no_log": True},
            "ca_content": {"type": "str"},
            "s3": {
                "type": "dict",
                "options": {
                    "endpoint_url": {"type": "str", "required": True},
                    "access_key_id": {"type": "str", "required": True, "no_log": False},
                    "secret_access_key": {"type": "str", "required": True, "no_log": True},
                },
            },
            "timeout": {"type": "int", "default": 60},
            "artifact_bytes": {"type": "int", "default": 1048576},
        },
        required_together=[("username", "password")],
    )
    options = dict(module.params)
    contents = {"ca_file": options.pop("ca_content"), "client_cert_file": options.pop("client_cert_content")}
    artifact_bytes = options.pop("artifact_bytes")
    options["uri"] = options.pop("tracking_uri").rstrip("/")
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as work:
        # In a folder that is open to this user alone.
        for name, content in contents.items():
            options[name] = os.path.join(work, f"{name}.pem") if content else None
            if content:
                with open(options[name], "w", encoding="utf-8") as file:
                    file.write(content)
        configure_client(s3=options.pop("s3"), **options)
        try:
            # The client prints; standard output is for the result alone.
            with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
                seconds = SmokeTest(artifact_bytes=artifact_bytes, **options).run()
        except ImportError:
            module.fail_json(msg=missing_required_lib("mlflow"), exception=traceback.format_exc())
        except SmokeError as exc:
            module.fail_json(msg=str(exc))
    module.exit_json(changed=False, seconds=seconds)


if __name__ == "__main__":
    main()
