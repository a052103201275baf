# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import (
    Admin,
    MinioError,
    check_name,
    ensure_group,
    ensure_policy,
    ensure_user,
    list_groups,
    list_policies,
    list_users,
)

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}]}


class Server:
    """Behaves as MinIO does, and counts what is written."""

    login_user = "admin"
    root = "root"

    def __init__(self, users=None, groups=None, policies=()):
        self.accounts = copy.deepcopy(users or {})
        self.teams = copy.deepcopy(groups or {})
        self.documents = {name: copy.deepcopy(POLICY) for name in ("p", "q", "readonly", *policies)}
        self.derived = {}
        self.writes = 0

    def policy(self, name):
        return self.documents.get(name, {})

    def policies(self):
        return self.documents

    def holders(self, names=()):
        found = {}
        for name in names or self.documents:
            users = [key for key, user in self.accounts.items() if name in user["policies"]]
            groups = [key for key, group in self.teams.items() if name in group["policies"]]
            if users or groups:
                found[name] = {"users": users, "groups": groups}
        return found

    def put_policy(self, name, policy):
        self.writes += 1
        self.documents[name] = policy

    def remove_policy(self, name):
        assert not self.holders([name]), "the server refuses this"
        self.writes += 1
        del self.documents[name]

    def user(self, access_key):
        if access_key not in self.accounts:
            return None
        user = self.accounts[access_key]
        return {
            "enabled": user["enabled"],
            "policies": list(user["policies"]),
            "groups": [name for name, group in self.teams.items() if access_key in group["members"]],
        }

    def users(self):
        return {name: self.user(name) for name in self.accounts}

    def try_key(self, access_key, secret_key):
        if access_key == self.root:
            return "SignatureDoesNotMatch"
        user = self.accounts.get(access_key)
        if not user or not user["enabled"]:
            return "InvalidAccessKeyId"
        return None if user["secret"] == secret_key else "SignatureDoesNotMatch"

    def put_user(self, access_key, secret_key):
        assert access_key != self.root, "the server refuses this"
        self.writes += 1
        self.accounts[access_key] = {"policies": [], **self.accounts.get(access_key, {}), "secret": secret_key, "enabled": True}

    def enable_user(self, access_key, enabled):
        self.writes += 1
        self.accounts[access_key]["enabled"] = enabled

    def set_policies(self, kind, name, policies):
        assert set(policies) <= set(self.documents), "the server refuses this"
        assert kind == "group" or self.accounts[name]["enabled"], "the server refuses this"
        self.writes += 1
        {"user": self.accounts, "group": self.teams}[kind][name]["policies"] = policies

    def derived_keys(self, access_key):
        return copy.deepcopy(self.derived.get(access_key, {}))

    def remove_derived_keys(self, access_key):
        self.writes += access_key in self.derived
        self.derived.pop(access_key, None)

    def remove_user(self, access_key):
        self.writes += 1
        del self.accounts[access_key]

    def group(self, name):
        return copy.deepcopy(self.teams.get(name))

    def groups(self):
        return sorted(self.teams)

    def add_members(self, name, members):
        assert set(members) <= set(self.accounts), "the server refuses this"
        self.writes += 1
        group = self.teams.setdefault(name, {"enabled": True, "members": [], "policies": []})
        group["members"] = sorted({*group["members"], *members})

    def remove_members(self, name, members):
        assert members, "the server would remove the group"
        self.writes += 1
        group = self.teams[name]
        group["members"] = [member for member in group["members"] if member not in members]

    def enable_group(self, name, enabled):
        self.writes += 1
        self.teams[name]["enabled"] = enabled

    def remove_group(self, name):
        assert not self.teams[name]["members"], "the server refuses this"
        self.writes += 1
        del self.teams[name]

    def state(self):
        return copy.deepcopy([self.accounts, self.teams, self.documents])


USER = {"secret": "right-secret", "enabled": True, "policies": ["p"]}
OFF = {**USER, "enabled": False}
GROUP = {"enabled": True, "members": ["alice"], "policies": ["p"]}


def converges(server, ensure, name, **wanted):
    """Check mode foretells and leaves alone; one run gets there; the next has nothing to do. Returns what the run said."""
    state = server.state()
    foretold = ensure(server, name, check_mode=True, **wanted)
    assert (server.writes, server.state()) == (0, state)
    before, after = done = ensure(server, name, **wanted)
    assert done == foretold
    assert before != after
    writes = server.writes
    assert writes
    for check_mode in (True, False):
        left, right = ensure(server, name, check_mode=check_mode, **wanted)
        assert left == right
    assert server.writes == writes
    return done


def refuses(server, ensure, name, match, **wanted):
    """With the same words in both modes, before anything is written."""
    errors = []
    for check_mode in (True, False):
        with pytest.raises(MinioError, match=match) as caught:
            ensure(server, name, check_mode=check_mode, **wanted)
        errors.append((str(caught.value), caught.value.details))
    assert errors[0] == errors[1]
    assert server.writes == 0
    return errors[0][1]


@pytest.mark.parametrize(
    ("now", "wanted", "then"),
    [
        (None, {"secret_key": "secret-s", "policies": ["q", "p", "q"]}, {"secret": "secret-s", "enabled": True, "policies": ["p", "q"]}),
        (None, {"secret_key": "secret-s", "enabled": False, "policies": ["p"]}, {"secret": "secret-s", "enabled": False, "policies": ["p"]}),
        (USER, {"secret_key": "other-secret"}, {**USER, "secret": "other-secret"}),
        (USER, {"policies": []}, {**USER, "policies": []}),
        (USER, {"enabled": False, "policies": []}, {**OFF, "policies": []}),
        (OFF, {"enabled": True}, USER),
        (OFF, {"enabled": True, "secret_key": "other-secret", "policies": ["q"]}, {"secret": "other-secret", "enabled": True, "policies": ["q"]}),
        (USER, {"state": "absent"}, None),
        (USER, {"state": "absent", "secret_key": "x", "policies": ["unknown"]}, None),
    ],
)
def test_user_converges(now, wanted, then):
    server = Server({"user": now} if now else {})
    converges(server, ensure_user, "user", **wanted)
    assert server.accounts.get("user") == then


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (USER, {"secret_key": "right-secret"}),
        (USER, {"policies": ["p", "p"], "enabled": True}),
        (OFF, {"secret_key": "other-secret"}),
        (None, {"state": "absent"}),
    ],
)
def test_user_is_left_alone(now, wanted):
    server = Server({"user": now} if now else {})
    before, after = ensure_user(server, "user", **wanted)
    assert before == after
    assert server.writes == 0


@pytest.mark.parametrize(
    ("now", "key_pair"),
    [(USER, "not as given"), (OFF, "unknown")],
)
def test_diff_tells_that_the_secret_changes_but_not_the_secret(now, key_pair):
    before, after = ensure_user(Server({"user": now}), "user", secret_key="other-secret", enabled=True)
    assert (before["key_pair"], after["key_pair"]) == (key_pair, "as given")
    assert "secret" not in str([before, after])


DERIVED = {"service_accounts": ["robot", "robot-2"], "temporary_keys": ["for-a-year"]}


@pytest.mark.parametrize(
    ("now", "wanted"),
    [(USER, {"secret_key": "other-secret"}), (OFF, {"secret_key": "other-secret", "enabled": True}), (USER, {"state": "absent"})],
)
def test_keys_made_of_a_key_end_with_its_secret(now, wanted):
    server = Server({"user": now})
    server.derived = {"user": DERIVED, "alice": DERIVED}
    before, after = converges(server, ensure_user, "user", **wanted)
    assert {key: before[key] for key in DERIVED} == DERIVED
    assert [after.get(key) for key in DERIVED] == ([[], []] if after else [None, None])
    assert server.derived == {"alice": DERIVED}


@pytest.mark.parametrize("wanted", [{"secret_key": "right-secret"}, {"policies": ["q"]}, {"enabled": False}])
def test_keys_made_of_a_key_stay_with_its_secret(wanted):
    server = Server({"user": USER})
    server.derived = {"user": DERIVED}
    ensure_user(server, "user", **wanted)
    assert server.derived == {"user": DERIVED}


def test_what_the_old_secret_makes_meanwhile_ends_too():
    server = Server({"user": USER})
    put_user = server.put_user
    server.put_user = lambda *args: (server.derived.update(user=DERIVED), put_user(*args))
    ensure_user(server, "user", secret_key="other-secret")
    assert server.derived == {}


@pytest.mark.parametrize(
    ("name", "now", "wanted", "match"),
    [
        ("user", None, {}, "without a secret_key"),
        ("user", None, {"secret_key": "sécret"}, "8 bytes"),
        ("user", USER, {"secret_key": "1234567"}, "8 bytes"),
        ("us", None, {"secret_key": "secret-s"}, "3 characters"),
        ("usér", None, {"secret_key": "secret-s"}, "ASCII"),
        ("us=er", None, {"secret_key": "secret-s"}, "= or|, or ="),
        ("user", USER, {"policies": ["p,q"]}, "policy 'p,q'"),
        ("user", OFF, {"policies": ["q"]}, "only for a user that is enabled"),
        ("root", None, {"secret_key": "secret-s"}, "root user"),
        ("admin", None, {"secret_key": "secret-s"}, "root user"),
        ("admin", None, {"state": "absent"}, "root user"),
        ("admin", USER, {"secret_key": "other-secret"}, "by itself"),
        ("admin", USER, {"policies": []}, "by itself"),
        ("admin", USER, {"state": "absent"}, "by itself"),
        ("user", {**USER, "enabled": None}, {"enabled": True}, "directory"),
    ],
)
def test_user_is_refused(name, now, wanted, match):
    refuses(Server({name: now} if now else {}), ensure_user, name, match, **wanted)


def test_unknown_policies_are_named():
    details = refuses(Server({"user": USER}), ensure_user, "user", "not exist: x, y", secret_key="other-secret", policies=["p", "y", "x"])
    assert details == {"unknown_policies": ["x", "y"]}


@pytest.mark.parametrize(
    ("now", "wanted", "then"),
    [
        (None, {}, {"enabled": True, "members": [], "policies": []}),
        (
            None,
            {"members": ["bob", "alice", "bob"], "policies": ["q", "p"], "enabled": False},
            {"enabled": False, "members": ["alice", "bob"], "policies": ["p", "q"]},
        ),
        (GROUP, {"members": ["bob"]}, {**GROUP, "members": ["bob"]}),
        (GROUP, {"members": []}, {**GROUP, "members": []}),
        (GROUP, {"policies": []}, {**GROUP, "policies": []}),
        (GROUP, {"enabled": False}, {**GROUP, "enabled": False}),
        ({**GROUP, "enabled": False}, {"policies": ["q"]}, {**GROUP, "enabled": False, "policies": ["q"]}),
        ({**GROUP, "enabled": False}, {"enabled": True, "members": ["bob"]}, {**GROUP, "members": ["bob"]}),
        (GROUP, {"state": "absent", "force": True}, None),
        ({**GROUP, "members": []}, {"state": "absent"}, None),
    ],
)
def test_group_converges(now, wanted, then):
    server = Server({"alice": USER, "bob": USER}, {"team": now} if now else {})
    converges(server, ensure_group, "team", **wanted)
    assert server.teams.get("team") == then


@pytest.mark.parametrize(
    ("wanted", "match", "details"),
    [
        ({"members": ["alice", "zed", "yve"]}, "not users of the server: yve, zed", {"unknown_members": ["yve", "zed"]}),
        ({"policies": ["p", "x"]}, "not exist: x", {"unknown_policies": ["x"]}),
        ({"policies": [""]}, "it is empty", {}),
        ({"state": "absent"}, "still has the members alice", {"members": ["alice"]}),
    ],
)
def test_group_is_refused(wanted, match, details):
    assert refuses(Server({"alice": USER}, {"team": GROUP}), ensure_group, "team", match, **wanted) == details


def test_group_is_locked_before_it_gets_more():
    server = Server({"alice": USER})
    calls = []
    for name in ("enable_group", "set_policies", "add_members"):
        method = getattr(server, name)
        setattr(server, name, lambda *args, __name=name, __method=method, **kwargs: (calls.append(__name), __method(*args, **kwargs)))
    ensure_group(server, "team", members=["alice"], policies=["p"], enabled=False)
    assert calls == ["add_members", "enable_group", "set_policies", "add_members"]
    calls.clear()
    ensure_group(server, "team", policies=["q"], enabled=True)
    assert calls == ["set_policies", "enable_group"]


def test_policy_converges():
    server = Server()
    converges(server, ensure_policy, "new", policy={**POLICY, "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}})
    server.writes = 0
    converges(server, ensure_policy, "new", policy=POLICY)
    server.writes = 0
    converges(server, ensure_policy, "new", state="absent")
    assert "new" not in server.documents


def test_policy_is_sent_with_whole_networks():
    # MinIO takes an IPv6 address without a length for a network of 32 bits.
    server = Server()
    statement = {**POLICY["Statement"][0], "Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::1"}}}
    ensure_policy(server, "new", policy={**POLICY, "Statement": statement})
    assert server.documents["new"]["Statement"][0]["Condition"] == {"IpAddress": {"aws:SourceIp": ["2001:db8::1/128"]}}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Version": "2008-10-17"}, "Version"),
        ({"Version": None}, "Version"),
        ({"Foo": 1}, "cannot have Foo"),
        ({"Statement": [{**POLICY["Statement"][0], "Principal": "*"}]}, "cannot have Principal"),
        ({"Statement": [{**POLICY["Statement"][0], "Effect": "allow"}]}, "Effect"),
        ({"Statement": [{**POLICY["Statement"][0], "Action": []}]}, "Action"),
    ],
)
def test_policy_is_refused(change, match):
    refuses(Server(), ensure_policy, "new", match, policy={**POLICY, **change})


def test_policies_that_must_stay_are_not_removed():
    refuses(Server(), ensure_policy, "readonly", "built into", state="absent")
    server = Server({"alice": USER}, {"team": GROUP})
    assert refuses(server, ensure_policy, "p", "users alice; groups team", state="absent") == {"users": ["alice"], "groups": ["team"]}


@pytest.mark.parametrize("name", ["a", "a/b", "in side", "é", "a=b", "a.b", "...", "a+%b"])
def test_names_that_servers_keep(name):
    check_name("policy", name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a,b", "a//b", "/a", "a/", "..", "a/../b", "./a", "a\n", "a\x00b"])
def test_names_that_servers_refuse_or_change(name):
    with pytest.raises(MinioError, match="cannot be"):
        check_name("policy", name)
    for ensure in (ensure_policy, ensure_user, ensure_group):
        with pytest.raises(MinioError, match="cannot be"):
            ensure(Server(), name, state="absent")


def test_lists():
    server = Server({"bob": OFF, "alice": USER}, {"team": GROUP})
    assert [policy["name"] for policy in list_policies(server)] == ["p", "q", "readonly"]
    assert list_policies(server, "p") == [{"name": "p", "policy": POLICY, "users": ["bob", "alice"], "groups": ["team"]}]
    assert list_users(server) == [
        {"access_key": "alice", "enabled": True, "policies": ["p"], "groups": ["team"]},
        {"access_key": "bob", "enabled": False, "policies": ["p"], "groups": []},
    ]
    assert list_users(server, "bob") == list_users(server)[1:]
    assert list_groups(server) == list_groups(server, "team") == [{"name": "team", **GROUP}]
    assert list_policies(server, "x") == list_users(server, "xyz") == list_groups(server, "x") == []
    assert server.writes == 0


class Refusal:
    """What the library raises."""

    _code = "400"

    def __init__(self, code, message):
        self._body = json.dumps({"Code": code, "Message": message})


def test_a_message_of_the_server_is_said_as_it_is():
    admin = Admin.__new__(Admin)
    admin.login_user = "admin"
    assert str(admin._refusal("read it", Refusal("XOther", "no {login} {} in it"))) == "Failed to read it: no {login} {} in it (XOther)"
    assert str(admin._refusal("read it", Refusal("AccessDenied", ""))) == "Failed to read it: admin has no right to do this (AccessDenied)"
