# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.generations import NAME, kept, layers
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.places import overlap, problem_of
from hypothesis import given
from hypothesis import strategies as st

FOLDER = {"type": "folder", "path": "/srv/backup"}
S3 = {"type": "s3", "endpoint_url": "https://s3.example.com", "bucket": "mlflow", "access_key_id": "k", "secret_access_key": "s"}


def every_night(nights: int) -> list[str]:
    last = datetime.datetime(2026, 11, 29, 2, 30)
    return [(last - datetime.timedelta(days=night)).strftime(NAME) for night in range(nights)]


def test_days_weeks_and_months_keep_their_newest():
    stay = [name[:8] for name in kept(every_night(400), daily=3, weekly=3, monthly=3, at_least=1)]
    # 29 November 2026 is a Sunday, the last day of its week.
    assert stay == ["20260930", "20261031", "20261115", "20261122", "20261127", "20261128", "20261129"]


def test_several_of_one_day_count_once():
    assert kept(["20261129T010000Z", "20261129T020000Z", "20261128T010000Z"], 2, 0, 0, 1) == ["20261128T010000Z", "20261129T020000Z"]


def test_after_a_long_time_without_a_backup_the_last_ones_stay():
    """Periods are those that have a backup, not those before today."""
    assert kept(["20200101T000000Z", "20200102T000000Z"], 2, 0, 0, 1) == ["20200101T000000Z", "20200102T000000Z"]


@given(st.sets(st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)), max_size=40), *[st.integers(0, 9)] * 3, st.integers(1, 9))
def test_the_newest_stay_and_another_run_removes_nothing(times, daily, weekly, monthly, at_least):
    names = {time.strftime(NAME) for time in times}
    stay = kept(names, daily, weekly, monthly, at_least)
    assert set(sorted(names)[-at_least:]) <= set(stay) <= names
    assert len(stay) <= daily + weekly + monthly + at_least
    assert kept(stay, daily, weekly, monthly, at_least) == stay


def test_a_file_comes_from_the_first_backup_that_moved_it_aside():
    replaced = {"g1": ["same", "older"], "g2": ["changed", "gone"], "g3": ["changed", "same"], "g4": ["gone"]}
    wanted = ["changed", "gone", "older", "same", "untouched"]
    assert layers(wanted, "g1", replaced) == {"g2": ["changed", "gone"], "g3": ["same"], "": ["older", "untouched"]}
    assert layers(wanted, "g4", replaced) == {"": sorted(wanted)}


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)), min_size=1, max_size=6), st.data())
def test_each_generation_comes_back_as_it_was(states, data):
    """rclone's sync with --backup-dir, played on dictionaries, also one whose generation was never finished."""
    pool, aside = {}, {}
    for number, state in enumerate(states):
        aside[f"g{number}"] = {name: value for name, value in pool.items() if state.get(name) != value}
        pool = dict(state)
    chosen = data.draw(st.integers(0, len(states) - 1))
    found = layers(states[chosen], f"g{chosen}", aside)
    assert {name: (aside[layer] if layer else pool)[name] for layer, names in found.items() for name in names} == states[chosen]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({}, "needs a type"),
        ({"type": "ftp"}, "one of folder, s3, rclone"),
        ({"type": "folder"}, "needs path"),
        ({"type": "folder", "path": "backup"}, "absolute path"),
        ({"type": "folder", "path": "/"}, "absolute path"),
        ({"type": "folder", "path": "/srv/a b"}, "absolute path"),
        ({"type": "folder", "path": "/srv/.."}, "absolute path"),
        ({**S3, "secret_access_key": ""}, "needs secret_access_key"),
        ({**S3, "endpoint": "x"}, "has no endpoint, but"),
        ({**S3, "bucket": "A"}, "S3 forbids"),
        ({"type": "rclone", "options": {"host": "h"}}, "needs the type of the remote"),
    ],
)
def test_words_that_make_no_place(place, says):
    assert says in problem_of(place)


@pytest.mark.parametrize("place", [FOLDER, S3, {**S3, "endpoint_url": "", "path": "site"}, {"type": "rclone", "options": {"type": "sftp"}, "path": "b"}])
def test_words_for_places(place):
    assert problem_of(place) is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FOLDER, True),
        ({"type": "folder", "path": "/srv/backup/artifacts/"}, True),
        ({"type": "folder", "path": "/srv"}, True),
        ({"type": "folder", "path": "/srv/backup2"}, False),
        (S3, False),
    ],
)
def test_one_place_in_another(other, same):
    assert overlap(FOLDER, other) is overlap(other, FOLDER) is same


def test_one_bucket_of_two_servers_is_two_places():
    assert overlap(S3, {**S3, "endpoint_url": "https://s3.example.com/", "access_key_id": "other", "path": "backup"})
    assert not overlap(S3, {**S3, "endpoint_url": "https://other.example.com"})
    assert not overlap({**S3, "path": "artifacts"}, {**S3, "path": "backup"})
