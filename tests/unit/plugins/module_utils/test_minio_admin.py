# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import MinioError, ensure_user


class Server:
    """A server with at most one user, that behaves as MinIO does."""

    def __init__(self, **user):
        self.account = user or None
        self.writes = 0

    def user(self, access_key):
        return {key: self.account[key] for key in ("enabled", "policies")} if self.account else None

    def accepts(self, access_key, secret_key):
        return self.account["enabled"] and self.account["secret"] == secret_key

    def put_user(self, access_key, secret_key):
        self.writes += 1
        self.account = {"policies": [], **(self.account or {}), "secret": secret_key, "enabled": True}

    def enable_user(self, access_key, enabled):
        self.writes += 1
        self.account["enabled"] = enabled

    def set_policies(self, access_key, policies):
        assert self.account["enabled"], "the server refuses this"
        self.writes += 1
        self.account["policies"] = policies

    def remove_user(self, access_key):
        self.writes += 1
        self.account = None


USER = {"secret": "right", "enabled": True, "policies": ["p"]}


@pytest.mark.parametrize(
    ("now", "wanted", "then"),
    [
        ({}, {"secret_key": "s", "policies": ["b", "a"]}, {"secret": "s", "enabled": True, "policies": ["a", "b"]}),
        ({}, {"secret_key": "s", "enabled": False}, {"secret": "s", "enabled": False, "policies": []}),
        (USER, {"secret_key": "new"}, {**USER, "secret": "new"}),
        (USER, {"policies": []}, {**USER, "policies": []}),
        (USER, {"enabled": False, "policies": []}, {**USER, "enabled": False, "policies": []}),
        ({**USER, "enabled": False}, {"enabled": True, "secret_key": "new", "policies": ["q"]}, {**USER, "secret": "new", "policies": ["q"]}),
        (USER, {"state": "absent"}, None),
    ],
)
def test_converges_in_one_run_and_check_mode_foretells_it(now, wanted, then):
    server = Server(**now)
    foretold = ensure_user(server, "user", check_mode=True, **wanted)
    assert server.writes == 0
    before, after = done = ensure_user(server, "user", **wanted)
    assert done == foretold
    assert before != after
    assert server.account == then
    writes = server.writes
    before, after = ensure_user(server, "user", **wanted)
    assert before == after
    assert server.writes == writes


def test_options_that_are_not_given_are_not_touched():
    server = Server(**USER)
    ensure_user(server, "user", secret_key="right")
    assert server.writes == 0


def test_secrets_are_not_shown():
    assert "new" not in str(ensure_user(Server(**USER), "user", secret_key="new"))


def test_new_user_needs_a_secret():
    with pytest.raises(MinioError, match="secret_key"):
        ensure_user(Server(), "user")


def test_policies_of_a_locked_user_are_refused():
    with pytest.raises(MinioError, match="enabled"):
        ensure_user(Server(**{**USER, "enabled": False}), "user", policies=["q"])
