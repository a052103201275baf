# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Which generations stay, and which version of a file belongs to one. A generation is named after its time, so that names sort by it."""

from __future__ import annotations

import datetime
import typing as t

NAME = "%Y%m%dT%H%M%SZ"


def moment(name: str) -> datetime.datetime:
    return datetime.datetime.strptime(name, NAME).replace(tzinfo=datetime.timezone.utc)


def kept(names: t.Iterable[str], daily: int, weekly: int, monthly: int, at_least: int) -> list[str]:
    """The newest of each of the last days, weeks and months that have one, and the newest ones of all."""
    newest_first = sorted(names, reverse=True)
    stay = set(newest_first[:at_least])
    for count, period in ((daily, "%Y-%m-%d"), (weekly, "%G-%V"), (monthly, "%Y-%m")):
        newest_of: dict[str, str] = {}
        for name in newest_first:
            newest_of.setdefault(moment(name).strftime(period), name)
        stay |= set(list(newest_of.values())[:count])
    return sorted(stay)


def layers(wanted: t.Collection[str], generation: str, replaced: t.Mapping[str, t.Collection[str]]) -> dict[str, list[str]]:
    """From where each of the wanted files of a generation comes: the name of a later backup that replaced or removed it, or "" for what is still in place.

    replaced: for each backup, also a broken-off one, the files that it moved aside. The first one after the generation has the version that was there then.
    """
    found: dict[str, list[str]] = {}
    left = set(wanted)
    for later in sorted(name for name in replaced if name > generation):
        found[later] = sorted(left & set(replaced[later]))
        left -= set(replaced[later])
    found[""] = sorted(left)
    return {source: names for source, names in found.items() if names}
