# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What all modules of MLflow's REST API do between their arguments and their answer."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api import Api, ApiError


def api_argument_spec() -> dict[str, t.Any]:
    def of_the_client(*names: str) -> dict[str, t.Any]:
        return {"fallback": (env_fallback, list(names))}

    return {
        "url": {"type": "str", "required": True, **of_the_client("MLFLOW_TRACKING_URI")},
        "login_user": {"type": "str", **of_the_client("MLFLOW_TRACKING_USERNAME")},
        "login_password": {"type": "str", "no_log": True, **of_the_client("MLFLOW_TRACKING_PASSWORD")},
        "login_token": {"type": "str", "no_log": True, **of_the_client("MLFLOW_TRACKING_TOKEN")},
        "ca_path": {"type": "path", **of_the_client("MLFLOW_TRACKING_SERVER_CERT_PATH")},
        "client_cert": {"type": "path", **of_the_client("MLFLOW_TRACKING_CLIENT_CERT_PATH")},
        "client_key": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
        "unix_socket": {"type": "path"},
        "headers": {"type": "dict", "no_log": True},
    }


def run(module: AnsibleModule, function: t.Callable[..., t.Any], **more: t.Any) -> t.Any:
    """What function answers for an Api, the options of the module that are not its connection, and more. An error ends the module."""
    options = dict(module.params)
    connection = {key: options.pop(key) for key in api_argument_spec()}
    try:
        return function(Api(**connection), **options, **more)
    except ApiError as exc:
        module.fail_json(msg=str(exc))
