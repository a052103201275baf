# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Whether a server with given keys could read the secrets that are stored in an MLflow database; and other keys for them. Runs with MLflow's own Python.

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
    "gateway": ("secrets", "SELECT secret_id, wrapped_dek FROM secrets"),
    "webhook": ("webhooks", "SELECT webhook_id, secret FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"),
}
CHANGE = {
    "gateway": "UPDATE secrets SET wrapped_dek = %s WHERE secret_id = %s",
    "webhook": "UPDATE webhooks SET secret = %s WHERE webhook_id = %s",
}


def read_environment_file(path: str) -> dict[str, str]:
    """The variables of a file as the role writes it for systemd: one in a line, its value in double quotes, with a backslash before quotes and itself."""
    try:
        with open(path, encoding="utf-8") as stream:
            return parse_environment(stream.read())
    except FileNotFoundError:
        return {}


def parse_environment(text: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in text.splitlines() if not line.startswith("#")]
    return {name.strip(): unquoted(value.strip()) for name, _equals, value in pairs if value}


def unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def read_stored(
    connection: t.Any, tables: t.Container[str], keys: dict[str, str], former: dict[str, str]
) -> t.Iterator[tuple[str, t.Any, bytes | None, bytes | None]]:
    """Of each stored secret its kind, its name in the table, and what the keys make of it, or else the former keys; None where they cannot read it."""
    for kind, (table, statement) in STORED.items():
        rows = connection.rows(statement) if table in tables else []
        # Without secrets there is no need to import MLflow, which takes seconds.
        opens, opened = (OPENERS[kind](each) if rows else None for each in (keys, former))
        for name, value in rows:
            plain = opens(value) if opens else None
            yield kind, name, plain, opened(value) if opened and plain is None else None


def stored_secrets(connection: t.Any, tables: t.Container[str], keys: dict[str, str], former: dict[str, str]) -> dict[str, dict[str, int]]:
    """How many secrets of each kind are stored, how many of them the keys, named as in the server's environment, can read, and how many the former alone."""
    found = {kind: {"stored": 0, "readable": 0, "former": 0} for kind in STORED}
    for kind, _name, plain, former_plain in read_stored(connection, tables, keys, former):
        found[kind]["stored"] += 1
        found[kind]["readable"] += plain is not None
        found[kind]["former"] += former_plain is not None
    return found


def encrypt_anew(connection: t.Any, tables: t.Container[str], keys: dict[str, str], former: dict[str, str]) -> dict[str, int]:
    """Encrypt with the keys what the former ones alone can read, all of it or nothing; returns how many of each kind. No server may run meanwhile."""
    changed = dict.fromkeys(STORED, 0)
    with connection.transaction():
        due = [(kind, name, former_plain) for kind, name, _plain, former_plain in read_stored(connection, tables, keys, former) if former_plain is not None]
        # To make one takes a moment.
        sealers = {kind: SEALERS[kind](keys) for kind in {kind for kind, _name, _plain in due}}
        for kind, name, plain in due:
            seal = sealers[kind]
            if seal:
                connection.change(CHANGE[kind], (seal(plain), name))
                changed[kind] += 1
    return changed


def key_of_keys(keys: dict[str, str]) -> bytes | None:
    """What wraps the keys of the gateway's secrets. None without a passphrase."""
    if not keys.get(KEK_PASSPHRASE):
        return None
    from mlflow.utils.crypto import KEKManager

    return KEKManager(keys[KEK_PASSPHRASE], int(keys.get(KEK_VERSION) or 1)).get_kek()


def gateway_opener(keys: dict[str, str]) -> t.Callable[[bytes], bytes | None] | None:
    """Unwraps a key with the passphrase, if it can."""
    kek = key_of_keys(keys)
    if not kek:
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.utils.crypto import unwrap_dek

    def opens(wrapped: bytes) -> bytes | None:
        with contextlib.suppress(MlflowException):
            return unwrap_dek(bytes(wrapped), kek)
        return None

    return opens


def gateway_sealer(keys: dict[str, str]) -> t.Callable[[bytes], bytes] | None:
    kek = key_of_keys(keys)
    if not kek:
        return None
    from mlflow.utils.crypto import wrap_dek

    return lambda key: wrap_dek(key, kek)


def webhook_opener(keys: dict[str, str]) -> t.Callable[[str], bytes | None] | None:
    """Decrypts a token with the key, if it can. None without a key."""
    if not keys.get(WEBHOOK_KEY):
        return None
    from cryptography.fernet import Fernet, InvalidToken

    cipher = Fernet(keys[WEBHOOK_KEY])

    def opens(token: str) -> bytes | None:
        with contextlib.suppress(InvalidToken):
            return cipher.decrypt(token.encode())
        return None

    return opens


def webhook_sealer(keys: dict[str, str]) -> t.Callable[[bytes], str] | None:
    if not keys.get(WEBHOOK_KEY):
        return None
    from cryptography.fernet import Fernet

    return lambda plain: Fernet(keys[WEBHOOK_KEY]).encrypt(plain).decode()


OPENERS: dict[str, t.Callable[[dict[str, str]], t.Callable[..., bytes | None] | None]] = {"gateway": gateway_opener, "webhook": webhook_opener}
SEALERS: dict[str, t.Callable[[dict[str, str]], t.Callable[[bytes], t.Any] | None]] = {"gateway": gateway_sealer, "webhook": webhook_sealer}
