#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uv_venv
short_description: Keep a Python virtual environment equal to hash-locked requirement files
version_added: 1.0.0
description:
  - Creates a virtual environment and makes its packages exactly those of the given requirement files, by C(uv pip sync).
    Packages that the files do not name are removed.
  - Brings C(uv) itself, in a pinned version with checked hashes, into an environment of its own.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  path:
    description: Folder of the virtual environment.
    type: path
    required: true
  state:
    description:
      - V(present) makes the environment equal to O(requirements).
      - V(absent) removes the folder.
    type: str
    choices: [present, absent]
    default: present
  requirements:
    description: Requirement files on the target. Together they must name every package, as C(uv pip compile) writes them.
    type: list
    elements: path
    default: []
  require_hashes:
    description: Refuse packages without a hash in O(requirements).
    type: bool
    default: true
  python:
    description: The Python interpreter to build the environment on, a path or a name on C(PATH). It needs its C(venv) package.
    type: str
    default: python3
  uv_dir:
    description: Folder of the environment that holds C(uv). Made where it is missing. Needed with O(state=present).
    type: path
  ca_file:
    description: PEM bundle of the certificate authorities to trust for downloads. Without it, the trust of Python and C(uv) counts.
    type: path
  index_url:
    description: Address of the package index to use instead of PyPI. It reaches C(uv) and pip by their environment, so that it may hold a login.
    type: str
  find_links:
    description: Folder or page with packages to use besides the index.
    type: str
  offline:
    description: Use no index and no network, only O(find_links) and the cache.
    type: bool
    default: false
  cache_dir:
    description: Folder of the download cache of C(uv).
    type: path
  compile_only:
    description:
      - Modules whose bytecode is written, with that of all that they import, after packages were installed. The environment's Python imports them as the
        user of the task. V(.*) behind a package stands for everything in it, which is not imported.
      - A module that is not there, or cannot be imported, is left out, so that one list may serve several requirements.
      - Without it, all that was installed is compiled. For a program that uses a part of large packages, that takes most of the time.
    type: list
    elements: str
requirements:
  - Python 3.9 or newer with its C(venv) package (C(python3-venv) on Debian)
"""

EXAMPLES = r"""
- name: Install MLflow from a lock file
  mlops.mlflow.uv_venv:
    path: /opt/mlflow/venvs/3.17.2
    uv_dir: /opt/mlflow/uv
    requirements:
      - /opt/mlflow/locks/3.17.2.txt
    compile_only: [mlflow.server, "mlflow.store.*"]
"""

RETURN = r"""
packages:
  description: What was, or in check mode would be, installed (V(+)) and removed (V(-)). Empty when the environment is yet to be made in check mode.
  returned: when O(state=present)
  type: list
  elements: str
  sample: ["+ mlflow==3.17.2"]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._uv import UvError, UvVenv


def ensure_present(venv: UvVenv, check_mode: bool) -> tuple[bool, list[str]]:
    """Bring the environment to its requirements; returns (changed, package lines)."""
    ready = venv.uv_installed()
    if not venv.exists() or not ready:
        if check_mode:
            return True, []
        if not ready:
            venv.install_uv()
        if not venv.exists():
            venv.create()
            return True, []
    if not check_mode:
        venv.close_locks()
    packages = venv.pending()
    if packages and not check_mode:
        venv.sync()
    return bool(packages) or not ready, packages


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "requirements": {"type": "list", "elements": "path", "default": []},
            "require_hashes": {"type": "bool", "default": True},
            "python": {"type": "str", "default": "python3"},
            "uv_dir": {"type": "path"},
            "ca_file": {"type": "path"},
            "index_url": {"type": "str", "no_log": True},
            "find_links": {"type": "str"},
            "offline": {"type": "bool", "default": False},
            "cache_dir": {"type": "path"},
            "compile_only": {"type": "list", "elements": "str"},
        },
        required_if=[("state", "present", ["uv_dir"])],
        supports_check_mode=True,
    )
    options = dict(module.params)
    state = options.pop("state")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV"))]:
        del os.environ[name]
    venv = UvVenv(module.run_command, **options)
    try:
        if state == "absent":
            changed = venv.exists()
            if changed and not module.check_mode:
                venv.remove()
            module.exit_json(changed=changed)
        changed, packages = ensure_present(venv, module.check_mode)
    except UvError as exc:
        module.fail_json(msg=str(exc))
    shown = {"diff": {"before": "", "after": "".join(f"{line}\n" for line in packages)}} if module._diff else {}
    module.exit_json(changed=changed, packages=packages, **shown)


if __name__ == "__main__":
    main()
