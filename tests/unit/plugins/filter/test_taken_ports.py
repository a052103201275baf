# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.taken_ports import taken_ports

OTHER = {"address": "127.0.0.1", "port": 9000, "uid": 33, "user": "www-data", "pid": 7, "process": "python3", "service": None}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", "[::]", "", "*"])
def test_a_port_is_taken_where_addresses_meet(address):
    assert taken_ports([OTHER], ["9000"], [address], service="minio.service") == ["9000 (held by python3 pid=7)"]


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        ({}, {"addresses": ["10.0.0.1"]}),
        ({}, {"ports": [9001]}),
        ({"service": "minio.service"}, {}),
        ({"uid": 999}, {}),
        ({"process": "minio"}, {}),
    ],
)
def test_a_port_is_free_elsewhere_and_for_its_own_server(other, asked):
    own = {"ports": [9000], "addresses": ["127.0.0.1"], "service": "minio.service", "process": "minio", "uid": 999}
    assert taken_ports([OTHER | other], **(own | asked)) == []


def test_a_wildcard_of_others_meets_ours_and_is_named_once():
    everywhere = OTHER | {"address": "::", "process": None, "pid": None}
    assert taken_ports([everywhere, everywhere], [9000], ["[fd00::1]", "10.0.0.1"], service="x") == ["9000 (held by a process of user www-data)"]


def test_addresses_are_compared_in_one_spelling():
    assert taken_ports([OTHER | {"address": "fd00::a"}], [9000], ["[FD00::A]"], service="x")
