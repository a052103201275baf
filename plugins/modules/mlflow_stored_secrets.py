#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_stored_secrets
short_description: Encrypt the secrets that an MLflow database stores with other keys
version_added: 1.0.0
description:
  - Encrypts with the given keys what the former ones alone can read, in one transaction. Other secrets stay as they are.
  - MLflow's own command C(mlflow crypto rotate-kek) takes the new passphrase as an argument, which everybody on the host can read, knows no webhooks,
    and wants another C(MLFLOW_CRYPTO_KEK_VERSION) afterwards. Here that stays.
  - No server may run meanwhile, as it would store further secrets with the keys that it has.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_db
  - mlops.mlflow._mlflow_limits
  - mlops.mlflow._mlflow_keys
options:
  timeout:
    default: 300
seealso:
  - module: mlops.mlflow.mlflow_db_info
"""

EXAMPLES = r"""
- name: Let a server with another passphrase read what is stored
  mlops.mlflow.mlflow_stored_secrets:
    login_host: db.example.org
    login_user: mlflow
    login_password: "{{ mlflow_db_password }}"
    login_db: mlflow
    virtualenv: /opt/mlflow/current
    crypto_passphrase: "{{ new_passphrase }}"
    former_crypto_passphrase: "{{ old_passphrase }}"
"""

RETURN = r"""
encrypted:
  description: How many secrets of each kind were encrypted anew, or would be in check mode.
  returned: success
  type: dict
  sample: {gateway: 2, webhook: 0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db import KEYS, LIMITS, Database, former_keys, module_arguments, server_keys
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import MlflowDbError


def main() -> t.NoReturn:
    module = AnsibleModule(
        **module_arguments(
            **KEYS,
            timeout={"type": "int", "default": 300},
            **LIMITS,
        )
    )
    options = module.params
    keys, former = server_keys(options) or {}, former_keys(options)
    try:
        database = Database.from_options(module.run_command, options)
        if module.check_mode:
            stored = database.info(keys=keys, former_keys=former)["secrets"] or {}
            encrypted = {kind: found["former"] for kind, found in stored.items()}
        else:
            encrypted = database.rekey(keys, former, options["lock_timeout"], options["wait_timeout"])
    except MlflowDbError as exc:
        module.fail_json(msg=str(exc))
    counted = [f"{kind}: {number} secrets encrypted with" for kind, number in encrypted.items() if number]
    diff = {side: "".join(f"{line} {which} key\n" for line in counted) for side, which in (("before", "the former"), ("after", "the new"))}
    module.exit_json(changed=any(encrypted.values()), encrypted=encrypted, diff=diff)


if __name__ == "__main__":
    main()
