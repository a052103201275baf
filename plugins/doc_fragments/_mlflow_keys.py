# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  crypto_passphrase:
    description: Value of C(MLFLOW_CRYPTO_KEK_PASSPHRASE) that a server would have. It is tried on the stored secrets of the gateway.
    type: str
  crypto_version:
    description: Value of C(MLFLOW_CRYPTO_KEK_VERSION) that a server would have. The default of MLflow is 1.
    type: int
  webhook_secret_key:
    description: Value of C(MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY) that a server would have. It is tried on the stored secrets of webhooks.
    type: str
  environment_file:
    description: File on the target, such as an C(EnvironmentFile) of a systemd unit, with those of the three variables that are not given. It need not exist.
    type: path
  former_crypto_passphrase:
    description: Value that O(crypto_passphrase) had before. It is tried on what that one cannot read.
    type: str
  former_webhook_secret_key:
    description: Value that O(webhook_secret_key) had before. It is tried on what that one cannot read.
    type: str
"""
