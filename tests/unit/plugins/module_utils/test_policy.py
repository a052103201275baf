# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._policy import PolicyError, canonical, parse


def policy(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"], **statement}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (policy(Action="s3:GetObject"), policy()),
        (policy(Action=["s3:b", "s3:a", "s3:a"]), policy(Action=["s3:a", "s3:b"])),
        (policy(Principal="*"), policy(Principal={"AWS": ["*"]})),
        (policy(Principal={"AWS": "arn:aws:iam::123456789012:root"}), policy(Principal={"AWS": ["123456789012"]})),
        (policy(Condition={"Bool": {"aws:SecureTransport": False}}), policy(Condition={"Bool": {"aws:SecureTransport": ["false"]}})),
        (policy(Condition={}), policy()),
        (policy(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.7"}}), policy(Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.7/32"]}})),
        (policy(Condition={"NotIpAddress": {"aws:SourceIp": "2001:DB8::1"}}), policy(Condition={"NotIpAddress": {"aws:SourceIp": "2001:db8:0::1/128"}})),
        (policy(Condition={"Null": {"aws:SourceIp": "TRUE"}}), policy(Condition={"Null": {"aws:SourceIp": True}})),
        (policy(Condition={"NumericEqualsIfExists": {"s3:max-keys": "010"}}), policy(Condition={"NumericEqualsIfExists": {"s3:max-keys": 10}})),
        (policy(Condition={"DateLessThan": {"k": "2030-01-01T00:00:00+00:00"}}), policy(Condition={"DateLessThan": {"k": "2030-01-01T00:00:00Z"}})),
        (policy(Resource="*"), policy(Resource=["**"])),
        (policy(Sid=""), policy()),
        ({**policy(), "Id": "x"}, {**policy(), "ID": "x"}),
        (policy(), json.dumps(policy())),
        (policy(), {**policy(), "Statement": policy()["Statement"][0]}),
        (policy(), {**policy(), "Statement": policy()["Statement"] * 2}),
        ({"Statement": policy()["Statement"]}, {"Version": "2008-10-17", "Statement": policy()["Statement"]}),
        ({}, ""),
    ],
)
def test_same_meaning_is_equal(one, other):
    assert canonical(one) == canonical(other)


def test_order_of_statements_does_not_count():
    both = [policy()["Statement"][0], policy(Effect="Deny")["Statement"][0]]
    assert canonical({"Statement": both}) == canonical({"Statement": both[::-1]})


@pytest.mark.parametrize(
    "other",
    [
        policy(Action=["s3:GetObject", "s3:PutObject"]),
        policy(Effect="Deny"),
        policy(Principal="*"),
        policy(Sid="named"),
        policy(Condition={"Bool": {"aws:SecureTransport": True}}),
        policy(Resource="arn:aws:s3:::b/"),
        {**policy(), "Version": "2008-10-17"},
        {},
    ],
)
def test_other_meaning_differs(other):
    assert canonical(policy()) != canonical(other)


def test_canonical_is_its_own_canonical():
    once = canonical(policy(Principal="*", Condition={"Bool": {"aws:SecureTransport": True}}))
    assert canonical(once) == once


@pytest.mark.parametrize("bad", ["{", "[1]", {"a": 1}, {"Statement": []}, {"Statement": ["x"]}])
def test_what_is_no_policy_is_refused(bad):
    with pytest.raises(PolicyError):
        parse(bad)


@pytest.mark.parametrize("bad", ["x", {"StringEquals": "x"}, {"StringEquals": ["x"]}])
def test_what_is_no_condition_is_refused(bad):
    with pytest.raises(PolicyError):
        canonical(policy(Condition=bad))


def test_what_is_no_network_or_number_is_left_alone():
    condition = {"IpAddress": {"aws:SourceIp": ["office"]}, "NumericEquals": {"s3:max-keys": ["1.5"]}, "StringEquals": {"s3:prefix": ["010"]}}
    assert canonical(policy(Condition=condition))["Statement"][0]["Condition"] == condition
