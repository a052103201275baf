# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of the server, with its scheme and its path if it has one, for example V(https://mlflow.example.com).
      - Without it, the environment variable E(MLFLOW_TRACKING_URI) counts.
    type: str
    required: true
  login_user:
    description:
      - User of MLflow to log in as, an administrator as a rule.
      - Without it, the environment variable E(MLFLOW_TRACKING_USERNAME) counts.
    type: str
  login_password:
    description:
      - Password of O(login_user).
      - Without it, the environment variable E(MLFLOW_TRACKING_PASSWORD) counts.
    type: str
  login_token:
    description:
      - Bearer token, for a server that takes one. O(login_user) and O(login_password) go before it.
      - Without it, the environment variable E(MLFLOW_TRACKING_TOKEN) counts.
    type: str
  ca_path:
    description:
      - PEM file with the certificate authorities to trust, instead of those of the system.
      - Without it, the environment variable E(MLFLOW_TRACKING_SERVER_CERT_PATH) counts.
    type: path
  client_cert:
    description:
      - PEM file with the client certificate to show, and its key unless O(client_key) has it.
      - Without it, the environment variable E(MLFLOW_TRACKING_CLIENT_CERT_PATH) counts.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert).
    type: path
  validate_certs:
    description: Whether to check the server's TLS certificate.
    type: bool
    default: true
  timeout:
    description: How long to wait for an answer, in seconds.
    type: int
    default: 60
  unix_socket:
    description: Unix socket on which the server listens, for O(url=http://localhost).
    type: path
  headers:
    description: Further headers of all requests, such as what a gate in front of the server asks for.
    type: dict
requirements:
  - Python 3.9 or newer on the host that runs the module, which needs no MLflow
notes:
  - The module talks to the server alone, so it runs anywhere, such as on the machine that runs Ansible with C(delegate_to=localhost).
  - The options of the connection need to be said only once, in C(module_defaults) for the group C(mlops.mlflow.mlflow_api).
"""
