# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._nftables import rule_problems, table_text


def lines(*rules):
    text = table_text([{"port": port, "sources": sources} for port, sources in rules], "own")
    assert text.startswith("table inet own\ndelete table inet own\ntable inet own {\n")
    return [line.strip() for line in text.splitlines() if "dport" in line]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([(5432, [])], ["tcp dport 5432 counter drop"]),
        ([("5432", ["10.0.0.5"])], ["tcp dport 5432 ip saddr { 10.0.0.5 } accept", "tcp dport 5432 counter drop"]),
        # nft refuses a set in which one network holds another, and one with an address twice.
        ([(1, ["10.0.0.5", "10.0.0.0/24", "10.0.0.5"])], ["tcp dport 1 ip saddr { 10.0.0.0/24 } accept", "tcp dport 1 counter drop"]),
        (
            [(1, ["fd00::0:5", "10.0.0.5"])],
            ["tcp dport 1 ip saddr { 10.0.0.5 } accept", "tcp dport 1 ip6 saddr { fd00::5 } accept", "tcp dport 1 counter drop"],
        ),
        # What one rule lets in, the other does not shut out.
        ([(1, ["10.0.0.5"]), ("1", ["10.0.0.7"])], ["tcp dport 1 ip saddr { 10.0.0.5, 10.0.0.7 } accept", "tcp dport 1 counter drop"]),
    ],
)
def test_ports_are_open_for_their_sources_alone(rules, expected):
    assert lines(*rules) == expected


@pytest.mark.parametrize(
    ("port", "source", "problem"),
    [
        (5432, "10.0.0.5", None),
        ("5432", "fd00::/64", None),
        (0, "10.0.0.5", "port 0 "),
        ("65536", "10.0.0.5", "port 65536 "),
        ("ssh", "10.0.0.5", "port ssh "),
        (1, "db.example.com", "'db.example.com' is neither an IP address"),
        (1, "", "'' is neither"),
        (1, "10.0.0.5/24", "Write 10.0.0.5 or 10.0.0.0/24."),
        (1, "10.0.0.5; drop", "is neither"),
        (1, "fe80::1%eth0", "without it"),
    ],
)
def test_problems_are_told(port, source, problem):
    problems = rule_problems([{"port": port, "sources": [source]}])
    assert [problem in said for said in problems] == ([True] if problem else [])
