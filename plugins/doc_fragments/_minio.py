# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoint_url:
    description: Address of the server, with its scheme, for example V(https://s3.example.com:9000).
    type: str
    required: true
  login_user:
    description: Access key of an administrator, for example the server's root user.
    type: str
    required: true
  login_password:
    description: Secret key of O(login_user).
    type: str
    required: true
  region:
    description: Region to sign requests for. MinIO takes any for its admin API.
    type: str
    default: us-east-1
  validate_certs:
    description: Whether to check the server's TLS certificate.
    type: bool
    default: true
  ca_file:
    description: PEM file with the certificate authorities to trust, instead of those of the system.
    type: path
requirements:
  - Python 3.9 or newer
  - minio 7.2.17 or newer, on the host that runs the module
"""
