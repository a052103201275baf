# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.postgres_hba_problems import postgres_hba_problems

RULE = {"type": "hostssl", "database": "app", "user": "app", "address": "10.0.0.5", "method": "scram-sha-256", "options": ""}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"database": 'app,"a b"', "user": "all", "address": "10.0.0.0/24,samenet,fd00::1/64"},
        {"type": "local", "address": ""},
        {"type": "host", "address": "127.0.0.1/32"},
        {"type": "host", "address": "::1/128"},
        {"type": "hostnossl", "address": "0.0.0.0/0", "method": "reject"},
    ],
)
def test_good_rules(rule):
    assert postgres_hba_problems([RULE | rule]) == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"database": "a b"}, "names with blanks in double quotes"),
        ({"user": ""}, "needs a database and a user"),
        ({"user": 'a"b'}, "needs a database and a user"),
        ({"address": ""}, "needs an address"),
        ({"address": "10.0.0.1 10.0.0.2"}, "needs an address without blanks"),
        ({"type": "local"}, "which has no address"),
        ({"options": "a=1\nhost all"}, "line break"),
        ({"type": "host", "address": "0.0.0.0/0"}, "lets 0.0.0.0/0 in without TLS; set the type hostssl"),
        ({"type": "host", "address": "127.0.0.1,10.0.0.5"}, "without TLS"),
        ({"type": "hostnossl"}, "without TLS"),
    ],
)
def test_bad_rules_are_repeated_with_what_is_wrong(rule, says):
    (problem,) = postgres_hba_problems([RULE, RULE | rule])
    assert says in problem
    assert problem.startswith(f"`{(RULE | rule)['type']} ")
