# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoint_url:
    description:
      - Address of the S3 server, with its scheme, for example V(https://s3.example.com:9000).
      - Without it, AWS is meant.
    type: str
  access_key:
    description:
      - Access key to log in with.
      - Without it, C(boto3) looks in its usual places - environment, configuration files, instance role.
    type: str
  secret_key:
    description: Secret key that belongs to O(access_key).
    type: str
  session_token:
    description: Session token of temporary credentials.
    type: str
  profile:
    description: Name of a profile in the configuration files of C(boto3), instead of O(access_key) and O(secret_key).
    type: str
  region:
    description: Region of the bucket, and the one to sign requests for. Without it, C(boto3) decides, and V(us-east-1) is the last resort.
    type: str
  validate_certs:
    description: Whether to check the server's TLS certificate.
    type: bool
    default: true
  aws_ca_bundle:
    description: PEM file with the certificate authorities to trust, instead of those C(boto3) brings.
    type: path
  addressing_style:
    description: Whether the bucket stands in the path or in the host name of requests. V(auto) is V(path) when O(endpoint_url) is given.
    type: str
    choices: [auto, path, virtual]
    default: auto
requirements:
  - Python 3.9 or newer
  - boto3 1.26 or newer, on the host that runs the module
"""
