# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import secrets
import string
import sys
import tempfile
import typing as t
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.parsing.vault import is_encrypted, match_encrypt_secret
from ansible.plugins.action import ActionBase

PASSWORD_CHARACTERS = 32
ACCESS_KEY_CHARACTERS = 20
HEADER = "---\n# Random secrets. A value that something was stored or set up with must stay as it is.\n"


def new_password() -> str:
    return "".join(secrets.SystemRandom().choices(string.ascii_letters + string.digits, k=PASSWORD_CHARACTERS))


def new_access_key() -> str:
    return "".join(secrets.SystemRandom().choices(string.ascii_uppercase + string.digits, k=ACCESS_KEY_CHARACTERS))


def new_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once by one that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def with_values(text: str, values: dict[str, str]) -> str:
    """The text of a file of variables with these values. Every other character stays; what is not there yet comes last."""
    root = yaml.compose(text)
    spans = {key.value: (value.start_mark.index, value.end_mark.index) for key, value in root.value} if root else {}
    for name, (start, end) in sorted(spans.items(), key=lambda item: item[1], reverse=True):
        if name in values:
            # The end of a block is that of its last line.
            end = start + len(text[start:end].rstrip())
            text = f'{text[:start].rstrip(" ")} "{values[name]}"{text[end:]}'
    lines = [f'{name}: "{value}"\n' for name, value in values.items() if name not in spans]
    return text + ("" if text.endswith("\n") or not lines else "\n") + "".join(lines)


def as_lines(values: dict[str, str | None]) -> str:
    """Values as a file of variables, where Ansible reads none of them as a template."""
    # As bytes and back, for PyYAML does not know Ansible's own kind of text.
    quoted = {name: value and yaml.safe_dump(to_bytes(value).decode(), default_style='"', width=sys.maxsize).strip() for name, value in values.items()}
    return "---\n" + "".join(f"{name}: {f'!unsafe {value}' if value else 'null'}\n" for name, value in quoted.items())


class Variables:
    """A file of variables on the controller, encrypted or not."""

    def __init__(self, loader: t.Any, path: str) -> None:
        self._loader = loader
        self._vault = loader._vault
        self.path = Path(path).resolve()
        content = self.path.read_bytes() if self.path.exists() else None
        self.is_there = content is not None
        self.encrypted = is_encrypted(content) if content is not None else bool(self._vault.secrets)
        self.text = to_text(self._vault.decrypt(content) if self.is_there and self.encrypted else content or "")
        self.values = self.read(self.text)

    def read(self, text: str) -> dict[str, t.Any]:
        values = self._loader.load(text) or {}
        if not isinstance(values, dict):
            raise AnsibleActionFail(f"{self.path} does not hold variables.")
        return values

    def would_hold(self, text: str, values: dict[str, t.Any]) -> bool:
        try:
            return self.read(text) == values
        except AnsibleError:
            return False

    def write(self, text: str, encrypted: bool) -> None:
        content = to_bytes(text)
        if encrypted:
            _vault_id, secret = match_encrypt_secret(self._vault.secrets)
            content = self._vault.encrypt(content, secret)
        write_private(self.path, content)


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
                "access_keys": {"type": "list", "elements": "str", "default": []},
                "previous": {"type": "path"},
            }
        )
        makers = {"passwords": new_password, "fernet_keys": new_fernet_key, "access_keys": new_access_key}
        made = {name: make() for kind, make in makers.items() for name in arguments[kind]}
        vault = Variables(self._loader, arguments["path"])
        if arguments["previous"]:
            return result | self._replace(vault, Variables(self._loader, arguments["previous"]), made, set(arguments["access_keys"]), task_vars or {})
        known = set(vault.values) | set(task_vars or {})
        added = {name: value for name, value in made.items() if name not in known}
        if added and not self._task.check_mode:
            vault.write(with_values(vault.text if vault.is_there else HEADER, added), vault.encrypted)
        return result | {"changed": bool(added), "added": sorted(added), "encrypted": vault.encrypted}

    def _replace(self, vault: Variables, previous: Variables, made: dict[str, str], new: set[str], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Give each a new value, once: as long as the file with the previous values names it, it keeps the one that it has got."""
        if not vault.is_there:
            raise AnsibleActionFail(f"There is no {vault.path}: ansible-playbook mlops.mlflow.secrets makes it.")
        old = {name: vault.values.get(name) for name in made}
        due = [name for name, value in old.items() if name not in previous.values or previous.values[name] == value]
        self._refuse_other_places(vault, [name for name in due if task_vars.get(name) != old[name] or (old[name] is None and name not in new)])
        # Of a value that it reads here, Ansible would not say that it is a template.
        self._refuse_other_forms(vault, [name for name in due if old[name] is not None and not self._is_plain(task_vars[name])])
        values = {name: made[name] for name in due}
        text = with_values(vault.text, values)
        if not vault.would_hold(text, {**vault.values, **values}):
            raise AnsibleActionFail(f"{vault.path} cannot be changed by machine. Write each variable as a line of its own: name: value")
        kept = {**previous.values, **{name: old[name] for name in due}}
        if due and not self._task.check_mode:
            # In this order nothing is lost, wherever it ends.
            previous.write(as_lines(kept), vault.encrypted)
            vault.write(text, vault.encrypted)
        return {"changed": bool(due), "replaced": sorted(due), "previous": sorted(kept), "encrypted": vault.encrypted}

    def _is_plain(self, value: t.Any) -> bool:
        return isinstance(value, str) and not self._templar.is_template(value)

    def _refuse_other_places(self, vault: Variables, names: list[str]) -> None:
        if names:
            raise AnsibleActionFail(
                f"{', '.join(names)} would not come from {vault.path}: the file lacks it, or another file or -e has another value. Set it there alone."
            )

    def _refuse_other_forms(self, vault: Variables, names: list[str]) -> None:
        if names:
            raise AnsibleActionFail(
                f"{', '.join(names)} in {vault.path} is no plain text: a template, a number, or encrypted alone. Put the text in quotes, and encrypt the file."
            )
