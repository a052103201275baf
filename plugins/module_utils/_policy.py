# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Policies in the form in which two of them can be compared, whatever a server made of them."""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _bucket_name

_SETS = ("Action", "NotAction", "Resource", "NotResource")
_ROOT_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


class PolicyError(Exception):
    """The text is not a policy."""


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(value: t.Any) -> list[str]:
    return sorted({_text(item) for item in (value if isinstance(value, list) else [value])})


def _principal(value: t.Any) -> dict[str, list[str]]:
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, dict):
        return value
    return {kind: sorted({_ROOT_ARN.sub(r"\1", item) for item in _values(names)}) for kind, names in value.items()}


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return value


def _number(value: str) -> str:
    return str(int(value)) if re.fullmatch(r"[+-]?\d+", value) else value


# What servers write in another way than it was given, by the kind of the condition.
_SPELLINGS = {
    "IpAddress": _network,
    "NotIpAddress": _network,
    "Numeric": _number,
    "Date": lambda value: re.sub(r"[+-]00:00$", "Z", value),
    "Bool": str.lower,
    "Null": str.lower,
}


def _condition(operator: str, tests: t.Any) -> dict[str, list[str]]:
    if not isinstance(tests or {}, dict):
        raise PolicyError(f"The condition {operator} must be a dictionary")
    # An operator may begin with ForAllValues: or ForAnyValue: and end with IfExists.
    kind = operator.rpartition(":")[2]
    spell = next((function for prefix, function in _SPELLINGS.items() if kind.startswith(prefix)), str)
    return {name: sorted({spell(value) for value in _values(values)}) for name, values in (tests or {}).items()}


def _statement(statement: dict[str, t.Any]) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {}
    for key, value in statement.items():
        if key in _SETS:
            # MinIO makes ** of a resource that is * alone.
            result[key] = sorted({re.sub(r"\*+", "*", item) for item in _values(value)})
        elif key in ("Principal", "NotPrincipal"):
            result[key] = _principal(value)
        elif key == "Condition":
            if not isinstance(value or {}, dict):
                raise PolicyError("The Condition of a statement must be a dictionary")
            result[key] = {operator: _condition(operator, tests) for operator, tests in (value or {}).items()}
        else:
            result[key] = value
    return {key: value for key, value in result.items() if value not in ("", None, {})}


def parse(policy: t.Any) -> dict[str, t.Any]:
    """A policy, given as text or dict, as a dict whose statements are a list. An empty one is {}."""
    if isinstance(policy, str):
        try:
            policy = json.loads(policy) if policy.strip() else {}
        except ValueError as exc:
            raise PolicyError(f"The policy is not valid JSON: {exc}") from exc
    if not policy:
        return {}
    if not isinstance(policy, dict):
        raise PolicyError("The policy must be a dictionary")
    statements = policy.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements or not all(isinstance(item, dict) for item in statements):
        raise PolicyError("The policy needs a 'Statement' with at least one statement in it")
    return {**policy, "Statement": statements}


def canonical(policy: t.Any) -> dict[str, t.Any]:
    """The same for all policies that mean the same: order, single values as lists, duplicates and spelling do not count."""
    policy = parse(policy)
    if not policy:
        return {}
    result = {("Id" if key == "ID" else key): value for key, value in policy.items() if value not in ("", None)}
    result.setdefault("Version", "2008-10-17")
    statements: dict[str, dict[str, t.Any]] = {}
    for statement in map(_statement, policy["Statement"]):
        # MinIO keeps one of statements that differ in their name alone. Which one must not depend on their order.
        meaning = json.dumps({key: value for key, value in statement.items() if key != "Sid"}, sort_keys=True)
        statements[meaning] = min(statement, statements.get(meaning, statement), key=lambda item: item.get("Sid", ""))
    result["Statement"] = [statements[key] for key in sorted(statements)]
    return result


def for_bucket(bucket: str, access: str = "write", prefix: str | None = None) -> dict[str, t.Any]:
    """Who has this policy may use the objects of one bucket, and what is deleted can be brought back where the bucket keeps versions.

    With the access "read" the holder may list and read them, and change nothing. With a prefix, only those below that folder.

    MinIO takes the right to delete for a right to delete versions. It also lets each user make further keys of its own, which outlive a new
    secret, and change its own secret. All of that ends only when it is denied in so many words.
    """
    problem = _bucket_name.forbidden(bucket)
    if problem:
        raise PolicyError(problem)
    # In a resource and in a condition, these would stand for other names.
    if prefix is not None and not re.fullmatch(r"[^/*?$\\][^*?$\\]*(?<!/)", prefix):
        raise PolicyError(f"the prefix {prefix!r} must be the name of a folder, without a slash at its ends and without * ? $ or a backslash")
    folder = f"{prefix}/" if prefix else ""
    objects = f"arn:aws:s3:::{bucket}/{folder}*"
    bucket_actions = ["s3:GetBucketLocation", "s3:ListBucket"]
    # Attributes and tags: what tools that copy buckets ask for.
    object_actions = ["s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectTagging"]
    if access == "write":
        bucket_actions += ["s3:ListBucketMultipartUploads"]
        object_actions += ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        object_actions += ["s3:PutObjectTagging", "s3:DeleteObjectTagging"]
    bucket_arn = [f"arn:aws:s3:::{bucket}"]
    statements: list[dict[str, t.Any]] = [{"Effect": "Allow", "Action": bucket_actions, "Resource": bucket_arn}]
    if folder:
        # MinIO knows no such condition for a list of uploads, which would name those of others.
        below = {"StringLike": {"s3:prefix": [f"{folder}*"]}}
        statements = [
            {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": bucket_arn},
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket_arn, "Condition": below},
        ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            *statements,
            {"Effect": "Allow", "Action": object_actions, "Resource": [objects]},
            {"Effect": "Deny", "Action": ["s3:DeleteObjectVersion"], "Resource": [objects]},
            {"Effect": "Deny", "Action": ["admin:*"]},
        ],
    }
