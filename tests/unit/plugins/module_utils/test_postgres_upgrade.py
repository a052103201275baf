# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _postgres_upgrade
from ansible_collections.mlops.mlflow.plugins.module_utils._postgres_cluster import Found, holder

RUNS, KEPT = Found(starts_at_boot=True), Found(starts_at_boot=False)


@pytest.mark.parametrize(
    ("found", "is_own", "there"),
    [
        ({}, False, ""),
        ({"17": RUNS}, True, ""),
        # A host that has a newer distribution now.
        ({"15": RUNS}, False, "15"),
        ({"13": RUNS, "15": KEPT}, False, "13"),
        ({"13": KEPT, "15": KEPT}, False, "15"),
        # The empty one that the distribution makes beside it.
        ({"15": RUNS, "17": RUNS}, False, "15"),
        # Two that the operator wants.
        ({"15": RUNS, "17": RUNS}, True, ""),
        ({"17": RUNS, "18": RUNS}, False, ""),
        # After an upgrade, and after the way back.
        ({"15": KEPT, "17": RUNS}, True, ""),
        ({"15": KEPT, "17": RUNS}, False, ""),
        ({"15": RUNS, "17": KEPT}, True, "15"),
        ({"17": KEPT, "18": RUNS}, True, "18"),
        ({"17": KEPT}, True, ""),
        # Broken off: the new one looks as if the role had made it.
        ({"15": Found(starts_at_boot=True, on_the_way_to="17"), "17": RUNS}, True, "15"),
        ({"15": Found(starts_at_boot=False, on_the_way_to="17"), "17": RUNS}, True, "15"),
    ],
)
def test_which_version_has_the_data(found, is_own, there):
    assert holder("17", found, is_own) == there


def parsed(*rows):
    return _postgres_upgrade.parsed(list(rows))


BEFORE = {
    "": parsed("role\tmlflow\tsecret", "database\tmlflow\tutf8"),
    "mlflow": parsed("rows\tpublic.runs\t3 rows, 42", 'rows\tpublic."a\tb"\t1 rows, 7', "trigger\tlog of public.runs\tO"),
}


def test_the_same_is_the_same():
    assert _postgres_upgrade.differences(BEFORE, {name: dict(reversed(things.items())) for name, things in BEFORE.items()}) == []


@pytest.mark.parametrize(
    ("database", "thing", "value", "said"),
    [
        ("mlflow", ("rows", "public.runs"), "2 rows, 40", ["rows public.runs in mlflow (3 rows before, 2 rows after)"]),
        # As many, but not the same.
        ("mlflow", ("rows", 'public."a\tb"'), "1 rows, 8", ['rows public."a\tb" in mlflow (1 rows before, 1 rows after)']),
        ("mlflow", ("trigger", "log of public.runs"), None, ["trigger log of public.runs in mlflow (missing)"]),
        ("mlflow", ("rows", "public.runs"), None, ["rows public.runs in mlflow (3 rows before, none after)"]),
        ("", ("role", "mlflow"), "other", ["role mlflow"]),
    ],
)
def test_what_is_not_the_same_is_named_and_not_shown(database, thing, value, said):
    after = {name: dict(things) for name, things in BEFORE.items()}
    after[database] = {name: old for name, old in {**after[database], thing: value}.items() if old is not None}
    assert _postgres_upgrade.differences(BEFORE, after) == said
    assert _postgres_upgrade.fingerprint(after) != _postgres_upgrade.fingerprint(BEFORE)


def test_a_database_that_is_missing():
    assert len(_postgres_upgrade.differences(BEFORE, {"": BEFORE[""]})) == 3


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"standby": True}, "primary"),
        ({"slots": ["copy"]}, "copy"),
        ({"standbys": ["db2"]}, "db2"),
        ({"subscriptions": ["sub"]}, "sub"),
        ({"prepared": ["x1"]}, "x1"),
    ],
)
def test_what_is_in_the_way_is_named(found, word):
    nothing = {"standby": False, "slots": [], "standbys": [], "subscriptions": [], "prepared": []}
    assert _postgres_upgrade.problems(nothing) == []
    (said,) = _postgres_upgrade.problems({**nothing, **found})
    assert word in said


class Fake:
    """A cluster that only remembers what it was told."""

    server = None

    def __init__(self, version, exists=True):
        self.version, self.exists, self.told, self.folder = version, exists, [], "/nonexistent"

    def __getattr__(self, name):
        return lambda *words, **_more: self.told.append(name)


@pytest.fixture
def upgrade(monkeypatch):
    change = _postgres_upgrade.Upgrade(None, "main", "15", "17", 0)
    change.old, change.new = Fake("15"), Fake("17")
    change.recorded = {"phase": "kept", "to": "17", "start_conf": "auto", "closed": [], "spare_port": 5433, "fingerprint": "x"}
    monkeypatch.setattr(_postgres_upgrade, "read_record", lambda *_which: change.recorded)
    monkeypatch.setattr(_postgres_upgrade.os, "unlink", lambda _path: change.old.told.append("forget"))
    return change


def test_a_way_back_from_what_was_broken_off(upgrade):
    upgrade.recorded["phase"] = "moving"
    assert upgrade.back()
    assert upgrade.new.told == ["drop"]
    assert upgrade.old.told[-2:] == ["revive", "forget"]


@pytest.mark.parametrize(("unused", "told"), [(True, ["stop", "drop"]), (False, ["stop", "retire"])])
def test_what_was_written_since_is_kept(upgrade, monkeypatch, unused, told):
    monkeypatch.setattr(upgrade, "holds_what_was_moved", lambda: unused)
    assert upgrade.back() is unused
    assert upgrade.new.told == told
    assert upgrade.old.told == ["revive", "forget"]


def test_what_is_left_of_a_newer_cluster_is_no_data_to_drop(upgrade):
    """Its configuration is gone. Its data may be all that there is."""
    upgrade.new.exists = False
    with pytest.raises(_postgres_upgrade.UpgradeError, match=r"is gone\. Go back"):
        upgrade.upgrade()
    assert upgrade.back()
    assert upgrade.new.told == []
    assert upgrade.old.told == ["revive", "forget"]


def test_another_version_waits_for_a_move_that_is_not_over(upgrade):
    upgrade.recorded["to"] = "16"
    with pytest.raises(_postgres_upgrade.UpgradeError, match="to 16 is not over"):
        upgrade.check()
