# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What all modules of the admin API do between their arguments and their answer."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import MINIO_IMPORT_ERROR, MINIO_REQUIREMENT, Admin, MinioError, minio_argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._policy import PolicyError


def require_library(module: AnsibleModule) -> None:
    if MINIO_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib(MINIO_REQUIREMENT), exception=MINIO_IMPORT_ERROR)


def run(module: AnsibleModule, function: t.Callable[..., t.Any], **more: t.Any) -> t.Any:
    """What function answers for an Admin, the options of the module that are not its login, and more. An error ends the module."""
    require_library(module)
    options = dict(module.params)
    login = {key: options.pop(key) for key in minio_argument_spec()}
    try:
        return function(Admin(**login), **options, **more)
    except MinioError as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except PolicyError as exc:
        module.fail_json(msg=str(exc))
