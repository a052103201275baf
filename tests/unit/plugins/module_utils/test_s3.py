# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import copy
import datetime
import hashlib
import http.server
import threading

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _s3
from hypothesis import given
from hypothesis import strategies as st


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


RULES = st.lists(
    st.fixed_dictionaries(
        {"ID": st.sampled_from("abcdef")},
        optional={
            "Status": st.sampled_from(["Enabled", "Disabled"]),
            "Filter": st.one_of(
                st.just({}),
                st.fixed_dictionaries({"Prefix": st.sampled_from(["", "a/"])}),
                st.fixed_dictionaries(
                    {"And": st.fixed_dictionaries({"Prefix": st.just("a/"), "Tags": st.permutations([{"Key": key, "Value": "1"} for key in "xyz"])})}
                ),
            ),
            "Expiration": st.one_of(
                st.fixed_dictionaries({"Days": st.integers(1, 9)}),
                st.fixed_dictionaries({"Date": st.dates().map(str)}),
                st.fixed_dictionaries({"Date": st.dates().map(lambda day: datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc))}),
            ),
            "Transitions": st.permutations([{"Days": days, "StorageClass": "GLACIER"} for days in (1, 2, 3)]),
            "AbortIncompleteMultipartUpload": st.just({"DaysAfterInitiation": 3}),
        },
    ),
    unique_by=lambda rule: rule["ID"],
)


@given(RULES, st.booleans(), st.data())
def test_lifecycle_is_its_own_canonical_and_order_does_not_count(rules, aborts_uploads, data):
    given_rules = copy.deepcopy(rules)
    once = _s3.canonical_lifecycle(rules, aborts_uploads)
    assert rules == given_rules
    assert _s3.canonical_lifecycle(once, aborts_uploads) == once
    assert _s3.canonical_lifecycle(data.draw(st.permutations(rules)), aborts_uploads) == once


@given(RULES.filter(bool), st.data())
def test_every_other_number_of_days_is_seen(rules, data):
    other = copy.deepcopy(rules)
    data.draw(st.sampled_from(other))["NoncurrentVersionExpiration"] = {"NoncurrentDays": 5}
    assert _s3.canonical_lifecycle(rules) != _s3.canonical_lifecycle(other)


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("5", 5), ("1K", 1024), ("100G", 100 * 2**30), ("1.5 GB", 3 * 2**29)])
def test_sizes(text, size):
    assert _s3.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "much", "1 X", "G"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(_s3.S3Error, match="quota must be"):
        _s3.parse_size(text)


@pytest.mark.parametrize("tags", [{"": "a"}, {"k" * 129: "a"}, {"a": "v" * 257}, {"Aws:a": "b"}, {f"k{number}": "" for number in range(51)}])
def test_bad_tags(tags):
    with pytest.raises(_s3.S3Error, match="forbids these tags"):
        _s3.check_tags(tags)


def test_tags_of_aws_are_kept_and_do_not_count():
    client = Answers(get_bucket_tagging={"TagSet": [{"Key": "aws:stack", "Value": "x"}, {"Key": "old", "Value": "y"}]})
    many = {f"k{number}": None for number in range(50)}
    after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"tags": many}, check_mode=True)[1]
    assert after["tags"] == {"aws:stack": "x", **dict.fromkeys(many, "")}


class Answers:
    """Stands for boto3 and counts: what of it is called is what costs."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []
        self.meta = type("Meta", (), {"endpoint_url": "http://s3.test", "region_name": "us-east-1"})()

    def __getattr__(self, method):
        def call(**kwargs):
            self.calls.append(method)
            self.sent = kwargs
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


def test_what_two_options_are_read_from_is_read_once():
    """On MinIO the region too comes from the answer about versioning."""
    minio = {"ResponseMetadata": {"HTTPHeaders": {"server": "MinIO"}}}
    lock = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}}}
    client = Answers(head_bucket=minio, get_bucket_versioning={"Status": "Enabled"}, get_object_lock_configuration=lock)
    options = {
        "region": "us-east-1",
        "versioning": True,
        "object_lock_enabled": True,
        "object_lock_retention": {"mode": "governance", "days": 3, "years": None},
    }
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), options)
    assert before == after
    assert sorted(client.calls) == ["get_bucket_versioning", "get_object_lock_configuration", "head_bucket"]


def test_region_that_minio_puts_into_an_arn_is_no_change():
    found = {"QueueConfigurations": [{"QueueArn": "arn:minio:sqs:eu-test-1:PRIMARY:webhook", "Events": ["s3:A"]}]}
    client = Answers(get_bucket_notification_configuration=found)
    wanted = [{"arn": "arn:minio:sqs::PRIMARY:webhook", "events": ["s3:A"]}]
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"notifications": wanted})
    assert before == after


def test_deliveries_to_event_bridge_stay_and_names_do_not_count():
    rule = {"Id": "x", "Events": ["s3:B", "s3:A"], "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a/"}]}}}
    found = {"EventBridgeConfiguration": {}, "TopicConfigurations": [{**rule, "TopicArn": "arn:aws:sns:eu-central-1:1:t"}]}
    topic = {"arn": "arn:aws:sns:eu-central-1:1:t", "events": ["s3:A", "s3:B"], "prefix": "a/", "suffix": None}
    client = Answers(get_bucket_notification_configuration=found)
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"notifications": [topic]})
    assert before == after
    _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"notifications": [{"arn": "arn:aws:lambda:eu-central-1:1:function:f", "events": ["s3:A"]}]})
    sent = {"LambdaFunctionArn": "arn:aws:lambda:eu-central-1:1:function:f", "Events": ["s3:A"]}
    assert client.sent["NotificationConfiguration"] == {"EventBridgeConfiguration": {}, "LambdaFunctionConfigurations": [sent]}


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


def test_what_the_server_lacks_may_be_switched_off():
    client = Answers(get_bucket_lifecycle_configuration="NotImplemented")
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"lifecycle_rules": []})
    assert before == after


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


def test_name_that_somebody_else_has_taken():
    client = Answers(head_bucket="404", create_bucket="BucketAlreadyExists")
    with pytest.raises(_s3.S3Error, match="Failed to create bucket mlflow: a bucket of that name belongs to somebody else"):
        _s3.ensure_present(_s3.Bucket(client, "mlflow"), {})


def test_who_may_not_list_a_bucket_may_still_find_it():
    client = Answers(head_bucket="403", get_bucket_location={"LocationConstraint": "eu-central-1"})
    bucket = _s3.Bucket(client, "mlflow")
    assert bucket.exists()
    assert bucket.region == "eu-central-1"


def test_server_that_deletes_nothing_ends_the_work():
    client = Answers(list_object_versions={"Versions": [{"Key": "a", "VersionId": "1"}]})
    with pytest.raises(_s3.S3Error, match="lists them all the same"):
        _s3.ensure_absent(_s3.Bucket(client, "mlflow"), force=True)


def test_key_of_the_bucket_is_kept_and_its_other_settings_too():
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}, "BucketKeyEnabled": True}
    client = Answers(get_bucket_encryption={"ServerSideEncryptionConfiguration": {"Rules": [rule]}})
    before, after = _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"encryption": "aws:kms"})
    assert before == after
    _s3.ensure_present(_s3.Bucket(client, "mlflow"), {"encryption": "AES256"})
    assert client.sent["ServerSideEncryptionConfiguration"] == {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]
    }


class OldServer(http.server.BaseHTTPRequestHandler):
    """An S3 server of the time before other checksums than MD5."""

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        good = self.headers.get("Content-MD5") == md5 and "content-md5" in self.headers["Authorization"]
        self.server.asked.append(good)
        answer = b"" if good else b"<Error><Code>MissingContentMD5</Code><Message>Missing required header</Message></Error>"
        self.send_response(200 if good else 400)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_old_server_gets_the_checksum_that_it_asks_for():
    with http.server.HTTPServer(("127.0.0.1", 0), OldServer) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        login = {**dict.fromkeys(_s3.s3_argument_spec()), "access_key": "a", "secret_key": "b", "addressing_style": "auto", "validate_certs": True}
        bucket = _s3.Bucket(_s3.connect(**{**login, "endpoint_url": f"http://127.0.0.1:{server.server_port}"}), "mlflow")
        bucket.write_tags({"a": "b"})
        bucket.write_lifecycle_rules(_s3.canonical_lifecycle([{"Expiration": {"Days": 1}}]))
        server.shutdown()
    # It asks once; from then on the checksum comes unasked.
    assert server.asked == [False, True, True]


class Versions:
    """Answers in pages of two entries, as S3 does: names in order, of one name the newest first."""

    def __init__(self, *entries):
        self.entries = [
            {"Key": key, "VersionId": str(number), "kind": kind, "LastModified": datetime.datetime(2026, 1, day, tzinfo=datetime.timezone.utc)}
            for number, (key, kind, day) in enumerate(entries)
        ]
        self.removed = []

    def call(self, action, method, Prefix, KeyMarker="", VersionIdMarker=""):
        assert method == "list_object_versions"
        found = [entry for entry in self.entries if entry["Key"].startswith(Prefix)]
        for number, entry in enumerate(found):
            entry["IsLatest"] = number == 0 or found[number - 1]["Key"] != entry["Key"]
        start = next((number + 1 for number, entry in enumerate(found) if (entry["Key"], entry["VersionId"]) == (KeyMarker, VersionIdMarker)), 0)
        page = found[start : start + 2]
        answer = {kind: [entry for entry in page if entry["kind"] == kind] for kind in ("Versions", "DeleteMarkers")}
        more = start + 2 < len(found)
        return {**answer, "IsTruncated": more, **({"NextKeyMarker": page[-1]["Key"], "NextVersionIdMarker": page[-1]["VersionId"]} if more else {})}

    def delete_objects(self, found):
        self.removed += [(one["Key"], one["VersionId"]) for one in found]


@pytest.mark.parametrize(
    ("prefix", "since", "names", "removed"),
    [
        ("", None, ["a/1", "b/1"], [("a/1", "0"), ("a/1", "1"), ("a/1", "3"), ("b/1", "7")]),
        ("", "2026-01-05T00:00:00Z", ["a/1"], [("a/1", "0"), ("a/1", "1"), ("a/1", "3")]),
        ("", "2026-01-05T01:00:00+02:00", ["a/1"], [("a/1", "0"), ("a/1", "1"), ("a/1", "3")]),
        ("b/", "2026-01-01", ["b/1"], [("b/1", "7")]),
        ("c/", None, [], []),
    ],
)
def test_deleted_objects_come_back(prefix, since, names, removed):
    bucket = Versions(
        *(("a/1", kind, day) for kind, day in (("DeleteMarkers", 6), ("DeleteMarkers", 5), ("Versions", 4), ("DeleteMarkers", 3), ("Versions", 2))),
        # Never there as a whole, and there again after it was deleted.
        ("a/2", "DeleteMarkers", 6),
        ("b/0", "Versions", 3),
        ("b/1", "DeleteMarkers", 2),
        ("b/1", "Versions", 1),
    )
    assert (_s3.undelete(bucket, prefix, since, check_mode=True), bucket.removed) == (names, [])
    assert _s3.undelete(bucket, prefix, since) == names
    assert sorted(bucket.removed) == removed


def test_what_is_no_time_is_refused():
    with pytest.raises(_s3.S3Error, match="deleted_since must be"):
        _s3.undelete(Versions(), deleted_since="yesterday")
