# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore point is there as a whole or not at all, and what is not as it was written is refused."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _restore_point
from ansible_collections.mlops.mlflow.plugins.module_utils._restore_point import RestorePoint, RestorePointError, new_name, restore_points, to_prune


def sealed(folder, name="20261129T034000Z-3.12.0-to-3.17.2", content=b"dump"):
    point = RestorePoint(str(folder), name).create()
    with open(point.file("tracking.dump"), "wb") as stream:
        stream.write(content)
    point.seal(mlflow_version="3.12.0", databases=[{"component": "tracking", "file": "tracking.dump"}])
    return point


def rewrite(point, **changes):
    path = os.path.join(point.path, "manifest.json")
    with open(path) as stream:
        manifest = json.load(stream)
    with open(path, "w") as stream:
        json.dump({**manifest, **changes}, stream)


def test_what_is_sealed_is_found_again(tmp_path):
    point = sealed(tmp_path / "new")
    manifest = point.load()
    assert manifest["mlflow_version"] == "3.12.0"
    assert [(file["name"], file["bytes"]) for file in manifest["files"]] == [("tracking.dump", 4)]
    assert restore_points(str(tmp_path / "new")) == [{"name": point.name, "manifest": manifest, "problem": None}]


def test_root_alone_can_read_it(tmp_path):
    point = sealed(tmp_path / "new")
    modes = {path: os.stat(path).st_mode & 0o777 for path in (point.folder, point.path, *(entry.path for entry in os.scandir(point.path)))}
    assert set(modes.values()) == {0o700, 0o600}
    assert len(modes) == 4


def test_names_sort_by_time():
    assert new_name("2.22.5", "3.17.2", 0) == "19700101T000000Z-2.22.5-to-3.17.2"
    assert new_name("3.9.0", "3.10.0", 10) > new_name("3.9.0", "3.10.0", 9)


def test_without_a_manifest_it_is_none(tmp_path):
    point = RestorePoint(str(tmp_path), "a").create()
    with pytest.raises(RestorePointError, match="was not finished"):
        point.load()
    with pytest.raises(RestorePointError, match="is not there"):
        RestorePoint(str(tmp_path), "b").load()


def test_a_power_failure_while_it_is_sealed_leaves_none(tmp_path, monkeypatch):
    point = RestorePoint(str(tmp_path), "a").create()

    def fail(*unused):
        raise OSError("power")

    monkeypatch.setattr(_restore_point.os, "rename", fail)
    with pytest.raises(OSError, match="power"):
        point.seal()
    monkeypatch.undo()
    assert restore_points(str(tmp_path))[0]["problem"]


def damage_byte(point):
    with open(point.file("tracking.dump"), "wb") as stream:
        stream.write(b"dumq")


def truncate(point):
    os.truncate(point.file("tracking.dump"), 3)


def lose(point):
    os.unlink(point.file("tracking.dump"))


def break_manifest(point):
    os.truncate(os.path.join(point.path, "manifest.json"), 50)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_byte, "tracking.dump is not what was written"),
        (truncate, "tracking.dump has 3 bytes in place of 4"),
        (lose, "lacks tracking.dump"),
        (break_manifest, "manifest.json cannot be read"),
        (lambda point: rewrite(point, format=2), "format 2, and this version of the collection reads 1"),
        (lambda point: rewrite(point, name="other"), "belongs to the restore point other"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path, damage, says):
    point = sealed(tmp_path)
    damage(point)
    with pytest.raises(RestorePointError, match=says):
        point.load()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a\nb"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(RestorePointError):
        RestorePoint(str(tmp_path), name)
    with pytest.raises(RestorePointError):
        RestorePoint(str(tmp_path), "a").file(name)


def test_the_oldest_go_but_those_that_are_needed(tmp_path):
    names = [sealed(tmp_path, f"2026112{day}T000000Z-a").name for day in range(5)]
    RestorePoint(str(tmp_path), "20261120T120000Z-unfinished").create()
    assert to_prune(str(tmp_path), 2) == [names[2], names[1], names[0]]
    assert to_prune(str(tmp_path), 2, spare=[names[1]]) == [names[2], names[0]]
    assert to_prune(str(tmp_path), 9) == to_prune(str(tmp_path / "nothing"), 1) == []
    with pytest.raises(RestorePointError, match="at least 1"):
        to_prune(str(tmp_path), 0)


def test_what_is_removed_is_gone(tmp_path):
    point = sealed(tmp_path)
    point.remove()
    assert restore_points(str(tmp_path)) == []
