# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets of webhooks in a real file of SQLite. Those of the gateway need MLflow: tests/contract, and the scenario mlflow_db_modules."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import stored_secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_connection import Connection
from cryptography.fernet import Fernet

TABLES = {"webhooks"}
OLD, NEW, OTHER = ({stored_secrets.WEBHOOK_KEY: Fernet.generate_key().decode()} for _number in range(3))


def token(keys, text):
    return Fernet(keys[stored_secrets.WEBHOOK_KEY]).encrypt(text.encode()).decode()


@pytest.fixture
def database(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with Connection(uri) as connection:
        connection.rows("CREATE TABLE webhooks (webhook_id TEXT, secret TEXT, deleted_timestamp INTEGER)")
        for name, secret in {"a": token(OLD, "of a"), "b": token(NEW, "of b"), "c": token(OLD, ""), "d": None, "e": token(OTHER, "of e")}.items():
            connection.change("INSERT INTO webhooks VALUES (%s, %s, NULL)", (name, secret))
    return uri


def content(uri):
    with Connection(uri) as connection:
        return dict(connection.rows("SELECT webhook_id, secret FROM webhooks"))


def count(uri, keys, former):
    with Connection(uri) as connection:
        return stored_secrets.stored_secrets(connection, TABLES, keys, former)["webhook"]


def test_what_the_former_key_alone_can_read_is_encrypted_anew(database):
    before = content(database)
    assert count(database, NEW, OLD) == {"stored": 4, "readable": 1, "former": 2}
    with Connection(database) as connection:
        assert stored_secrets.encrypt_anew(connection, TABLES, NEW, OLD) == {"gateway": 0, "webhook": 2}
    after = content(database)
    assert {name for name in before if before[name] != after[name]} == {"a", "c"}
    opens = stored_secrets.webhook_opener(NEW)
    assert [opens(after[name]) for name in "abce"] == [b"of a", b"of b", b"", None]
    assert count(database, NEW, OLD) == {"stored": 4, "readable": 3, "former": 0}
    with Connection(database) as connection:
        assert stored_secrets.encrypt_anew(connection, TABLES, NEW, OLD) == {"gateway": 0, "webhook": 0}
    assert content(database) == after


@pytest.mark.parametrize(("keys", "former"), [({}, OLD), (NEW, {}), (NEW, NEW)])
def test_without_a_new_or_a_former_key_nothing_changes(database, keys, former):
    before = content(database)
    with Connection(database) as connection:
        assert stored_secrets.encrypt_anew(connection, TABLES, keys, former)["webhook"] == 0
    assert content(database) == before


def test_a_failure_in_the_middle_leaves_all_as_it_was(database, monkeypatch):
    before, real, calls = content(database), Connection.change, []

    def fail_at_the_second(connection, statement, values):
        calls.append(values)
        if len(calls) == 2:
            raise RuntimeError
        real(connection, statement, values)

    monkeypatch.setattr(Connection, "change", fail_at_the_second)
    with pytest.raises(RuntimeError), Connection(database) as connection:
        stored_secrets.encrypt_anew(connection, TABLES, NEW, OLD)
    assert len(calls) == 2
    assert content(database) == before
