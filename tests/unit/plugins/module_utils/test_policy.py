# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._policy import PolicyError, canonical, for_bucket, parse
from hypothesis import given
from hypothesis import strategies as st


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


# What a policy means is drawn first, in sets, and then how it is spelled. A meaning of another meaning differs in one place at least.
ACTIONS = st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:*"])
RESOURCES = st.sampled_from(["arn:aws:s3:::a", "arn:aws:s3:::a/*", "arn:aws:s3:::b/x y"])
PRINCIPALS = st.one_of(
    st.none(),
    st.just({"AWS": frozenset("*")}),
    st.fixed_dictionaries(
        {"AWS": st.frozensets(st.sampled_from(["123456789012", "210987654321", "arn:aws:iam::123456789012:user/x"]), min_size=1)},
        optional={"Service": st.frozensets(st.sampled_from(["logging.s3.amazonaws.com"]), min_size=1)},
    ),
)
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "Bool", "NumericLessThan"]),
    st.dictionaries(
        st.sampled_from(["aws:SourceIp", "aws:SecureTransport", "s3:max-keys"]),
        st.frozensets(st.sampled_from(["true", "false", "7", "x"]), min_size=1),
        min_size=1,
    ),
)
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.frozensets(ACTIONS, min_size=1),
        "Resource": st.frozensets(RESOURCES, min_size=1),
        "Principal": PRINCIPALS,
        "Condition": CONDITIONS,
        "Sid": st.sampled_from(["", "one", "two"]),
    }
)


def nameless(statement):
    return {key: value for key, value in statement.items() if key != "Sid"}


MEANINGS = st.fixed_dictionaries(
    {
        "Version": st.sampled_from(["2012-10-17", "2008-10-17"]),
        "Id": st.sampled_from(["", "x"]),
        "Statement": st.lists(STATEMENTS, min_size=1, max_size=3).filter(
            lambda found: not any(nameless(one) == nameless(other) for i, one in enumerate(found) for other in found[:i])
        ),
    }
)


def spell_values(draw, values, typed=False):
    result = draw(st.permutations(sorted(values)))
    result += draw(st.lists(st.sampled_from(result), max_size=2))
    if typed:
        other_types = {"true": True, "false": False, "7": 7}
        result = [other_types.get(item, item) if draw(st.booleans()) else item for item in result]
    return result[0] if len(result) == 1 and draw(st.booleans()) else result


def spell_statement(draw, meaning):
    result = {"Effect": meaning["Effect"], "Action": spell_values(draw, meaning["Action"]), "Resource": spell_values(draw, meaning["Resource"])}
    principal = meaning["Principal"]
    if principal == {"AWS": {"*"}} and draw(st.booleans()):
        result["Principal"] = "*"
    elif principal:
        arns = {kind: [f"arn:aws:iam::{name}:root" if name.isdigit() and draw(st.booleans()) else name for name in names] for kind, names in principal.items()}
        result["Principal"] = {kind: spell_values(draw, names) for kind, names in arns.items()}
    if meaning["Condition"] or draw(st.booleans()):
        result["Condition"] = {
            operator: {key: spell_values(draw, values, typed=True) for key, values in tests.items()} for operator, tests in meaning["Condition"].items()
        }
    if meaning["Sid"] or draw(st.booleans()):
        result["Sid"] = meaning["Sid"]
    return dict(draw(st.permutations(list(result.items()))))


@st.composite
def spellings(draw, meaning):
    statements = [spell_statement(draw, item) for item in draw(st.permutations(meaning["Statement"]))]
    statements += [spell_statement(draw, item) for item in draw(st.lists(st.sampled_from(meaning["Statement"]), max_size=2))]
    result = {"Statement": statements[0] if len(statements) == 1 and draw(st.booleans()) else statements}
    if meaning["Version"] != "2008-10-17" or draw(st.booleans()):
        result["Version"] = meaning["Version"]
    if meaning["Id"] or draw(st.booleans()):
        result[draw(st.sampled_from(["Id", "ID"]))] = meaning["Id"]
    return json.dumps(result) if draw(st.booleans()) else result


def as_minio_gives_it(policy):
    """Lists for single values, sets in an order of its own, no duplicates, "ID", and nothing that is empty."""

    def text(value):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

    def values(found):
        return sorted(set(map(text, found if isinstance(found, list) else [found])), reverse=True)

    result = {"ID": policy.get("Id") or policy.get("ID", ""), "Version": policy.get("Version", "2008-10-17"), "Statement": []}
    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        item = {"Effect": statement["Effect"], "Action": values(statement["Action"]), "Resource": values(statement["Resource"])}
        if "Principal" in statement:
            principal = {"AWS": "*"} if statement["Principal"] == "*" else statement["Principal"]
            item["Principal"] = {kind: values(names) for kind, names in principal.items()}
        if statement.get("Condition"):
            item["Condition"] = {operator: {key: values(found) for key, found in tests.items()} for operator, tests in statement["Condition"].items()}
        if statement.get("Sid"):
            item["Sid"] = statement["Sid"]
        if nameless(item) not in [nameless(other) for other in result["Statement"]]:
            result["Statement"].append(item)
    return json.dumps({key: value for key, value in result.items() if value})


@given(st.data(), MEANINGS)
def test_every_spelling_of_a_meaning_is_equal(data, meaning):
    one, other = data.draw(spellings(meaning)), data.draw(spellings(meaning))
    assert canonical(one) == canonical(other)
    assert canonical(canonical(one)) == canonical(one)
    assert canonical(json.dumps(canonical(one))) == canonical(one)


@given(st.data(), MEANINGS)
def test_what_minio_makes_of_a_policy_is_equal(data, meaning):
    policy = data.draw(spellings(meaning))
    assert canonical(as_minio_gives_it(parse(policy))) == canonical(policy)


def with_statement(meaning, number, changes):
    return {**meaning, "Statement": [{**item, **changes} if i == number else item for i, item in enumerate(meaning["Statement"])]}


@given(st.data(), MEANINGS)
def test_every_difference_is_seen(data, meaning):
    other = data.draw(
        st.one_of(
            MEANINGS,
            # One place of one statement is another, or one of its values more or less.
            st.tuples(st.sampled_from(range(len(meaning["Statement"]))), st.sampled_from(list(meaning["Statement"][0])), STATEMENTS).map(
                lambda found: with_statement(meaning, found[0], {found[1]: found[2][found[1]]})
            ),
            st.tuples(
                st.sampled_from(range(len(meaning["Statement"]))), st.sampled_from(["Action", "Resource"]), st.sampled_from(["s3:*", "arn:aws:s3:::a"])
            ).map(lambda found: with_statement(meaning, found[0], {found[1]: (meaning["Statement"][found[0]][found[1]] ^ {found[2]}) or {"other"}})),
            st.sampled_from(range(len(meaning["Statement"]))).map(
                lambda number: with_statement(
                    meaning,
                    number,
                    {
                        "Condition": {
                            operator: {key: (values ^ {"x"}) or {"other"} for key, values in tests.items()}
                            for operator, tests in meaning["Statement"][number]["Condition"].items()
                        }
                    },
                )
            ),
        )
    )

    def as_set(policy):
        return policy["Version"], policy["Id"], {json.dumps(item, sort_keys=True, default=sorted) for item in policy["Statement"]}

    statements = other["Statement"]
    if any(nameless(one) == nameless(two) for i, one in enumerate(statements) for two in statements[:i]):
        # The change has made two statements one; names are all that they differ in.
        return
    assert (canonical(data.draw(spellings(meaning))) == canonical(data.draw(spellings(other)))) == (as_set(meaning) == as_set(other))


def test_names_alone_do_not_make_two_statements():
    one, two = policy(Sid="one")["Statement"][0], policy(Sid="two")["Statement"][0]
    assert canonical({"Statement": [one, two]}) == canonical({"Statement": [two, one]}) == canonical({"Statement": [one]})


def test_policy_for_a_bucket_is_about_that_bucket_and_denies_what_outlives_a_secret():
    statements = for_bucket("models")["Statement"]
    assert {arn for one in statements for arn in one.get("Resource", [])} == {"arn:aws:s3:::models", "arn:aws:s3:::models/*"}
    denied = [one for one in statements if one["Effect"] == "Deny"]
    assert [one["Action"] for one in denied] == [["s3:DeleteObjectVersion"], ["admin:*"]]


def test_policy_to_read_a_bucket_allows_to_list_and_get_alone_and_denies_as_much():
    read, write = (for_bucket("models", access)["Statement"] for access in ("read", "write"))
    allowed = [action for one in read if one["Effect"] == "Allow" for action in one["Action"]]
    assert [action for action in allowed if not action.startswith(("s3:Get", "s3:List"))] == []
    assert [one for one in read if one["Effect"] == "Deny"] == [one for one in write if one["Effect"] == "Deny"]


@pytest.mark.parametrize("bucket", ["", "*", "models/*", "${aws:username}"])
def test_policy_for_what_is_no_bucket_is_refused(bucket):
    with pytest.raises(PolicyError, match="S3 forbids"):
        for_bucket(bucket)
