# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _s3


@pytest.mark.parametrize("name", ["abc", "a.b-c", "1bucket", "a" * 63])
def test_good_bucket_names(name):
    _s3.check_bucket_name(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Upper", "under_score", "-a-", "a.", "a..b", "a.-b", "192.168.5.4", "xn--abc", "abc-s3alias", "sp ace", "slash/y", "new\n"]
)
def test_bad_bucket_names(name):
    with pytest.raises(_s3.S3Error, match="forbids"):
        _s3.check_bucket_name(name)


def same(one, other, **kwargs):
    return _s3.canonical_lifecycle([one], **kwargs) == _s3.canonical_lifecycle([other], **kwargs)


def test_lifecycle_spellings_are_equal():
    utc = datetime.timezone.utc
    assert same({"Expiration": {"Days": 1}}, {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}})
    assert same({"Prefix": "a/", "ID": "x"}, {"Filter": {"Prefix": "a/"}, "ID": "x"})
    assert same({"ID": "x", "Expiration": {"Date": "2030-01-01"}}, {"ID": "x", "Expiration": {"Date": datetime.datetime(2030, 1, 1, tzinfo=utc)}})
    west = datetime.timezone(datetime.timedelta(hours=-5))
    assert same({"ID": "x", "Expiration": {"Date": "2030-01-01"}}, {"ID": "x", "Expiration": {"Date": datetime.datetime(2029, 12, 31, 19, tzinfo=west)}})


def test_lifecycle_differences_are_seen():
    assert not same({"Expiration": {"Days": 1}}, {"Expiration": {"Days": 2}})
    assert not same({"ID": "x", "Expiration": {"Days": 1}}, {"ID": "x", "Status": "Disabled", "Expiration": {"Days": 1}})
    assert not same({"ID": "x", "Expiration": {"Days": 1}}, {"ID": "y", "Expiration": {"Days": 1}})


def test_rule_without_a_name_gets_the_same_one_each_time():
    first, second = (_s3.canonical_lifecycle([{"Expiration": {"Days": 1}}])[0]["ID"] for attempt in range(2))
    assert first == second
    assert _s3.canonical_lifecycle(_s3.canonical_lifecycle([{"Expiration": {"Days": 1}}])) == _s3.canonical_lifecycle([{"Expiration": {"Days": 1}}])


def test_what_minio_cannot_keep_is_left_out():
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    assert _s3.canonical_lifecycle([{"ID": "only", **abort}], aborts_uploads=False) == []
    assert same({"ID": "x", "Expiration": {"Days": 1}, **abort}, {"ID": "x", "Expiration": {"Days": 1}}, aborts_uploads=False)


class Answers:
    """Stands for boto3 and counts: what of it is called is what costs."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []
        self.meta = type("Meta", (), {"endpoint_url": "http://s3.test"})()

    def __getattr__(self, method):
        def call(**kwargs):
            self.calls.append(method)
            answer = self.answers.get(method, {})
            if isinstance(answer, str):
                raise _s3.botocore.exceptions.ClientError({"Error": {"Code": answer, "Message": "no"}, "ResponseMetadata": {}}, method)
            return answer

        return call


def test_unchanged_bucket_costs_one_call_and_one_for_each_option():
    client = Answers()
    assert _s3.ensure_present(_s3.Bucket(client, "mlflow"), {}) == ({"name": "mlflow"}, {"name": "mlflow"})
    assert client.calls == ["head_bucket"]

    client = Answers(get_bucket_versioning={"Status": "Enabled"}, get_bucket_tagging="NoSuchTagSet")
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"versioning": True, "tags": {}})
    assert before == after
    assert sorted(client.calls) == ["get_bucket_tagging", "get_bucket_versioning", "head_bucket"]


def test_unsupported_option_fails_only_when_asked_for():
    client = Answers(get_bucket_encryption="NotImplemented")
    _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"versioning": False})
    with pytest.raises(_s3.S3Error, match="does not support"):
        _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"encryption": "AES256"})


def test_check_mode_writes_nothing():
    client = Answers(head_bucket="404")
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"versioning": True, "tags": {"a": 1}}, check_mode=True)
    assert (before, after) == ({}, {"name": "mlflow", "versioning": True, "tags": {"a": "1"}})
    assert client.calls == ["head_bucket"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AccessDenied", "somebody else"),
        ("SignatureDoesNotMatch", "secret_key"),
        ("RequestTimeTooSkewed", "clocks"),
        ("PermanentRedirect", "region"),
    ],
)
def test_errors_name_the_cause(code, text):
    client = Answers(head_bucket="403", get_bucket_location=code)
    with pytest.raises(_s3.S3Error, match=text):
        _s3.ensure_present(_s3.Bucket(client, "mlflow"), {})


def test_bucket_that_is_already_ours_is_fine():
    client = Answers(head_bucket="404", create_bucket="BucketAlreadyOwnedByYou")
    _s3.ensure_present(_s3.Bucket(client, "mlflow"), {})


def test_bucket_with_content_is_not_deleted():
    client = Answers(list_object_versions={"Versions": [{"Key": "a", "VersionId": "1"}]})
    for check_mode in (True, False):
        with pytest.raises(_s3.S3Error, match="not empty"):
            _s3.ensure_absent(_s3.Bucket(client, "mlflow"), check_mode=check_mode)
    assert "delete_bucket" not in client.calls
