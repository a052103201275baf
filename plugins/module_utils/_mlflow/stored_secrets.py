# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Whether a server with given keys could read the secrets that are stored in an MLflow database. Runs with MLflow's own Python.

What this knows of MLflow's inside: the secrets of the gateway (since 3.8) are in the table secrets, each encrypted with a key of
its own, which is wrapped with a key made from the passphrase and its version. Those of webhooks (since 3.3) are Fernet tokens in the table webhooks.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

KEK_PASSPHRASE = "MLFLOW_CRYPTO_KEK_PASSPHRASE"  # noqa: S105 - the name, not the value
KEK_VERSION = "MLFLOW_CRYPTO_KEK_VERSION"
WEBHOOK_KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
STORED = {
    "gateway": ("secrets", "SELECT wrapped_dek FROM secrets"),
    "webhook": ("webhooks", "SELECT secret FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"),
}


def read_environment_file(path: str) -> dict[str, str]:
    """The variables of a file as the role writes it for systemd: one in a line, its value in double quotes, with a backslash before quotes and itself."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return {}
    pairs = [line.partition("=") for line in lines if not line.startswith("#")]
    return {name.strip(): unquoted(value.strip()) for name, _equals, value in pairs if value}


def unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def stored_secrets(connection: t.Any, tables: t.Container[str], keys: dict[str, str]) -> dict[str, dict[str, int]]:
    """How many secrets of each kind are stored, and how many of them the keys, named as in the server's environment, can read."""
    found = {}
    for kind, (table, statement) in STORED.items():
        rows = connection.rows(statement) if table in tables else []
        values = [bytes(row[0]) if kind == "gateway" else row[0] for row in rows]
        # Without secrets there is no need to import MLflow, which takes seconds.
        opens = OPENERS[kind](keys) if values else None
        found[kind] = {"stored": len(values), "readable": sum(opens(value) for value in values) if opens else 0}
    return found


def gateway_opener(keys: dict[str, str]) -> t.Callable[[bytes], bool] | None:
    """Says of a wrapped key whether the passphrase unwraps it. None without a passphrase."""
    if not keys.get(KEK_PASSPHRASE):
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.utils.crypto import KEKManager, unwrap_dek

    kek = KEKManager(keys[KEK_PASSPHRASE], int(keys.get(KEK_VERSION) or 1)).get_kek()

    def opens(wrapped: bytes) -> bool:
        with contextlib.suppress(MlflowException):
            return bool(unwrap_dek(wrapped, kek))
        return False

    return opens


def webhook_opener(keys: dict[str, str]) -> t.Callable[[str], bool] | None:
    """Says of a token whether the key decrypts it. None without a key."""
    if not keys.get(WEBHOOK_KEY):
        return None
    from cryptography.fernet import Fernet, InvalidToken

    cipher = Fernet(keys[WEBHOOK_KEY])

    def opens(token: str) -> bool:
        with contextlib.suppress(InvalidToken):
            return cipher.decrypt(token.encode()) is not None
        return False

    return opens


OPENERS: dict[str, t.Callable[[dict[str, str]], t.Callable[..., bool] | None]] = {"gateway": gateway_opener, "webhook": webhook_opener}
