# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import secrets
import string
import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.parsing.vault import is_encrypted, match_encrypt_secret
from ansible.plugins.action import ActionBase

PASSWORD_CHARACTERS = 32
HEADER = "---\n# Random secrets. A value that something was stored or set up with must stay as it is.\n"


def new_password() -> str:
    return "".join(secrets.SystemRandom().choices(string.ascii_letters + string.digits, k=PASSWORD_CHARACTERS))


def new_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once by one that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class ActionModule(ActionBase):
    """Runs on the controller alone: that is where the vault and its password are."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {
                "path": {"type": "path", "required": True},
                "passwords": {"type": "list", "elements": "str", "default": []},
                "fernet_keys": {"type": "list", "elements": "str", "default": []},
            }
        )
        path = Path(arguments["path"]).resolve()
        old = path.read_bytes() if path.exists() else None
        vault = self._loader._vault
        was_encrypted = old is not None and is_encrypted(old)
        text = to_text(vault.decrypt(old) if was_encrypted else old or HEADER)
        here = self._loader.load(text) or {}
        if not isinstance(here, dict):
            raise AnsibleActionFail(f"{path} does not hold variables.")
        known = set(here) | set(task_vars or {})
        values = {name: new_password() for name in arguments["passwords"]} | {name: new_fernet_key() for name in arguments["fernet_keys"]}
        added = {name: value for name, value in values.items() if name not in known}
        encrypt = was_encrypted or (old is None and bool(vault.secrets))
        if added and not self._task.check_mode:
            lines = "".join(f'{name}: "{value}"\n' for name, value in added.items())
            content = to_bytes(text + ("" if text.endswith("\n") else "\n") + lines)
            if encrypt:
                _vault_id, secret = match_encrypt_secret(vault.secrets)
                content = vault.encrypt(content, secret)
            write_private(path, content)
        return result | {"changed": bool(added), "added": sorted(added), "encrypted": encrypt}
