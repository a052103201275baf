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
  issuer_url:
    description: Instead of a password, log in with a token of this issuer of OpenID Connect, got by O(client_id) for itself (C(client_credentials)).
    type: str
  client_id:
    description: Client at O(issuer_url).
    type: str
  client_secret:
    description: Secret of O(client_id).
    type: str
  issuer_ca_content:
    description: Certificates (PEM) that the certificate of O(issuer_url) is checked with. Without it, the trust of the C(certifi) package counts.
    type: str
  client_cert_content:
    description: The client's certificate with its key (PEM), for a server that lets in who shows one. Without it no certificate is shown.
    type: str
  ca_content:
    description: Certificates (PEM) that the server's certificate is checked with. Without it, the trust of the C(certifi) package counts.
    type: str
  store_url:
    description:
      - The store's address for clients, such as V(https://store.example.com), where the role P(mlops.mlflow.nginx_tls#role) serves it. It is tried first.
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
  sample: {"store": 0.0, "login": 0.05, "origin": 0.02, "run": 0.2, "artifact": 0.3, "model": 0.1, "remove": 0.2}
"""

import contextlib
import os
import tempfile
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._smoke import SmokeError, SmokeTest, configure_client, fetch_token


def written(folder: str, name: str, content: str | None) -> str | None:
    """The path of a file with that content, if there is one."""
    if not content:
        return None
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    return path


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "tracking_uri": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "issuer_url": {"type": "str"},
            "client_id": {"type": "str"},
            "client_secret": {"type": "str", "no_log": True},
            "issuer_ca_content": {"type": "str"},
            "client_cert_content": {"type": "str", "no_log": True},
            "ca_content": {"type": "str"},
            "store_url": {"type": "str"},
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
        required_together=[("username", "password"), ("issuer_url", "client_id", "client_secret")],
        mutually_exclusive=[("username", "issuer_url")],
    )
    options: dict[str, t.Any] = {name: module.params[name] for name in ("username", "password", "timeout")}
    artifact_bytes = module.params["artifact_bytes"]
    options["uri"] = module.params["tracking_uri"].rstrip("/")
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as work:
        # In a folder that is open to this user alone.
        contents = ("ca_content", "issuer_ca_content", "client_cert_content")
        options["ca_file"], issuer_ca_file, options["client_cert_file"] = (written(work, name, module.params[name]) for name in contents)
        try:
            if module.params["issuer_url"]:
                client = (module.params["client_id"], module.params["client_secret"])
                options["token"] = fetch_token(module.params["issuer_url"], client, issuer_ca_file, options["timeout"])
            configure_client(s3=module.params["s3"], **options)
            # The client prints; standard output is for the result alone.
            with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
                seconds = SmokeTest(artifact_bytes=artifact_bytes, store_url=module.params["store_url"], **options).run()
        except ImportError:
            module.fail_json(msg=missing_required_lib("mlflow"), exception=traceback.format_exc())
        except SmokeError as exc:
            module.fail_json(msg=str(exc))
    module.exit_json(changed=False, seconds=seconds)


if __name__ == "__main__":
    main()
