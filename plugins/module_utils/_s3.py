# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Buckets of any S3 server."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
import re
import traceback

from ansible_collections.mlops.mlflow.plugins.module_utils import _policy

try:
    import boto3
    import botocore.exceptions
    import urllib3
    from botocore.config import Config

    BOTO3_IMPORT_ERROR = None
except ImportError:
    BOTO3_IMPORT_ERROR = traceback.format_exc()


class S3Error(Exception):
    """A call failed, or what is wanted cannot be; the text says which one and why."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


_UNSUPPORTED = {"NotImplemented", "MethodNotAllowed", "VersioningNotConfigured", "501", "405"}
_ABSENT = {
    "404",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchTagSet",
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "ObjectLockConfigurationNotFoundError",
}
_WRONG_REGION = "the bucket or the server is in another region than the one given"
_CAUSES = {
    "SignatureDoesNotMatch": "the secret_key does not belong to the access_key",
    "InvalidAccessKeyId": "the server does not know the access_key, or it is disabled",
    "AccessDenied": "the key has no right to do this, or the bucket belongs to somebody else",
    "AllAccessDisabled": "the bucket belongs to somebody else",
    "BucketAlreadyExists": "a bucket of that name belongs to somebody else",
    "RequestTimeTooSkewed": "the clocks of this host and of the server differ too much",
    "PermanentRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "InvalidLocationConstraint": _WRONG_REGION,
    "InvalidRegion": _WRONG_REGION,
}


def s3_argument_spec():
    return {
        "endpoint_url": {"type": "str"},
        "access_key": {"type": "str", "no_log": False},
        "secret_key": {"type": "str", "no_log": True},
        "session_token": {"type": "str", "no_log": True},
        "profile": {"type": "str"},
        "region": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "aws_ca_bundle": {"type": "path"},
        "addressing_style": {"type": "str", "choices": ["auto", "path", "virtual"], "default": "auto"},
    }


def check_bucket_name(name):
    """Refuse what S3 forbids, in words that say which rule it is."""
    problem = None
    if not 3 <= len(name) <= 63:
        problem = "it must have 3 to 63 characters"
    elif not re.fullmatch(r"[a-z0-9.-]+", name):
        problem = "it may hold only lower case letters, digits, dots and hyphens"
    elif not re.fullmatch(r"[a-z0-9].*[a-z0-9]", name):
        problem = "it must begin and end with a letter or digit"
    elif re.search(r"\.\.|\.-|-\.", name):
        problem = "a dot must stand between letters or digits"
    elif name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")):
        problem = "this prefix or suffix is reserved"
    else:
        try:
            ipaddress.IPv4Address(name)
            problem = "it must not look like an IP address"
        except ValueError:
            pass
    if problem:
        raise S3Error(f"S3 forbids the bucket name {name!r}: {problem}")


def connect(
    endpoint_url=None,
    access_key=None,
    secret_key=None,
    session_token=None,
    profile=None,
    region=None,
    validate_certs=True,
    aws_ca_bundle=None,
    addressing_style="auto",
):
    if endpoint_url and not re.match(r"https?://[^/]", endpoint_url):
        raise S3Error(f"endpoint_url must begin with http:// or https://, not {endpoint_url!r}")
    if addressing_style == "auto" and endpoint_url:
        addressing_style = "path"
    options = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 3}, "s3": {"addressing_style": addressing_style}}
    # Newer releases add checksums of a kind that older servers refuse.
    for option in ("request_checksum_calculation", "response_checksum_validation"):
        if option in Config.OPTION_DEFAULTS:
            options[option] = "when_required"
    if not validate_certs:
        urllib3.disable_warnings()
    try:
        session = boto3.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, aws_session_token=session_token, profile_name=profile, region_name=region
        )
        return session.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=session.region_name or "us-east-1",
            verify=aws_ca_bundle if validate_certs else False,
            config=Config(**options),
        )
    except (botocore.exceptions.BotoCoreError, ValueError, OSError) as exc:
        raise S3Error(f"Failed to set up the connection: {exc}") from exc


def _cause(exc, endpoint):
    """One line for what boto3 raised."""
    if isinstance(exc, botocore.exceptions.ClientError):
        error = exc.response.get("Error", {})
        code, message = error.get("Code", ""), error.get("Message", "")
        if code in _UNSUPPORTED or exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 501:
            return f"the server does not support it: {message} ({code})"
        if code in _CAUSES:
            return f"{_CAUSES[code]} ({code})"
        return f"{message} ({code})"
    if isinstance(exc, botocore.exceptions.SSLError):
        return f"TLS failed, does aws_ca_bundle hold the authority of the server's certificate, and does the certificate name the host? {exc}"
    if isinstance(exc, (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)):
        return f"{endpoint} does not answer: {exc}"
    if isinstance(exc, botocore.exceptions.NoCredentialsError):
        return "no credentials: give access_key and secret_key, or a profile"
    return " ".join(str(exc).split())


def _lifecycle_rule(rule):
    """One rule in the form in which two can be compared."""
    rule = dict(rule)
    rule.setdefault("Status", "Enabled")
    # The old spelling of a filter; and no filter means every object.
    rule["Filter"] = rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}
    rule.pop("Prefix", None)
    if "And" in rule["Filter"]:
        both = rule["Filter"]["And"]
        rule["Filter"] = {"And": {**both, "Tags": sorted(both.get("Tags", []), key=lambda tag: tag["Key"])}}
    for key in ("Transitions", "NoncurrentVersionTransitions"):
        if key in rule:
            rule[key] = sorted((_dated(item) for item in rule[key]), key=lambda item: json.dumps(item, sort_keys=True))
    if "Expiration" in rule:
        rule["Expiration"] = _dated(rule["Expiration"])
    if not rule.get("ID"):
        # Servers give a rule without a name a random one, which would never be equal again.
        rule["ID"] = "rule-" + hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()[:16]
    return rule


def _dated(action):
    date = action.get("Date")
    if isinstance(date, datetime.datetime) and date.tzinfo:
        date = date.astimezone(datetime.timezone.utc)
    # S3 takes nothing but midnight UTC.
    return {**action, "Date": f"{str(date)[:10]}T00:00:00Z"} if date else action


def canonical_lifecycle(rules, aborts_uploads=True):
    """Rules in the form to compare and to send. Without *aborts_uploads* what the server cannot keep is left out."""
    result = [_lifecycle_rule(rule) for rule in rules]
    if not aborts_uploads:
        for rule in result:
            rule.pop("AbortIncompleteMultipartUpload", None)
        result = [rule for rule in result if set(rule) - {"ID", "Status", "Filter"}]
    return sorted(result, key=lambda rule: rule["ID"])


class Bucket:
    """One bucket. What has a name in ASPECTS is read by read_NAME, and written by write_NAME."""

    ASPECTS = ("object_lock_enabled", "versioning", "encryption", "policy", "tags", "lifecycle_rules")

    def __init__(self, client, name):
        check_bucket_name(name)
        self.client = client
        self.name = name
        self.server = ""

    def call(self, action, method, **kwargs):
        try:
            answer = getattr(self.client, method)(Bucket=self.name, **kwargs)
            self._note_server(answer)
            return answer
        except botocore.exceptions.ClientError as exc:
            self._note_server(exc.response)
            code = exc.response.get("Error", {}).get("Code")
            raise S3Error(f"Failed to {action} bucket {self.name}: {_cause(exc, self.client.meta.endpoint_url)}", code) from exc
        except (botocore.exceptions.BotoCoreError, ValueError, OSError) as exc:
            raise S3Error(f"Failed to {action} bucket {self.name}: {_cause(exc, self.client.meta.endpoint_url)}") from exc

    def _note_server(self, answer):
        self.server = self.server or answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("server", "")

    def _read(self, action, method):
        try:
            return self.call(action, method)
        except S3Error as exc:
            if exc.code in _ABSENT:
                return {}
            raise

    # The bucket itself

    def exists(self, region=None):
        action = "find out about"
        try:
            head = self.call(action, "head_bucket")
        except S3Error as exc:
            if exc.code in _ABSENT:
                return False
            if exc.code is not None:
                # An answer to HEAD has no body, so the cause must be asked for.
                self.call(action, "get_bucket_location")
            raise
        actual = head.get("BucketRegion")
        if region and actual and actual != region:
            raise S3Error(f"The bucket {self.name} is in the region {actual}, not in {region}, and cannot be moved")
        return True

    def create(self, region=None, object_lock=False):
        options = {}
        # The one region that must not be named.
        if region and region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if object_lock:
            options["ObjectLockEnabledForBucket"] = True
        try:
            self.call("create", "create_bucket", **options)
        except S3Error as exc:
            # Somebody with the same key was faster.
            if exc.code != "BucketAlreadyOwnedByYou":
                raise

    def is_empty(self):
        try:
            found = self.call("list the objects of", "list_object_versions", MaxKeys=1)
        except S3Error as exc:
            if exc.code not in _UNSUPPORTED:
                raise
            found = self.call("list the objects of", "list_objects_v2", MaxKeys=1)
        return not (found.get("Versions") or found.get("DeleteMarkers") or found.get("Contents"))

    def empty(self):
        """Delete every version of every object, and what uploads have left."""
        while not self.is_empty():
            try:
                page = self.call("list the objects of", "list_object_versions", MaxKeys=1000)
                found = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in page.get("Versions", []) + page.get("DeleteMarkers", [])]
            except S3Error as exc:
                if exc.code not in _UNSUPPORTED:
                    raise
                found = [{"Key": item["Key"]} for item in self.call("list the objects of", "list_objects_v2", MaxKeys=1000).get("Contents", [])]
            done = self.call("delete the objects of", "delete_objects", Delete={"Objects": found, "Quiet": True})
            for error in done.get("Errors", []):
                raise S3Error(f"Failed to delete the object {error['Key']} of bucket {self.name}: {error.get('Message')} ({error.get('Code')})")
        for upload in self.call("list the uploads to", "list_multipart_uploads").get("Uploads", []):
            self.call("abort the uploads to", "abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])

    def delete(self):
        self.call("delete", "delete_bucket")

    # Its aspects

    def read_object_lock_enabled(self):
        found = self._read("read the object lock of", "get_object_lock_configuration")
        return found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"

    def write_object_lock_enabled(self, wanted):
        raise S3Error(
            f"The object lock of bucket {self.name} cannot be switched {'on' if wanted else 'off'}: S3 lets it be chosen only when the bucket is created"
        )

    def read_versioning(self):
        return self._read("read the versioning of", "get_bucket_versioning").get("Status") == "Enabled"

    def write_versioning(self, wanted):
        self.call("change the versioning of", "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled" if wanted else "Suspended"})

    def read_encryption(self):
        found = self._read("read the encryption of", "get_bucket_encryption")
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
        rule = rules[0].get("ApplyServerSideEncryptionByDefault", {})
        return {"algorithm": rule.get("SSEAlgorithm", "none"), "key_id": rule.get("KMSMasterKeyID")}

    def write_encryption(self, wanted):
        if wanted["algorithm"] == "none":
            self.call("remove the encryption of", "delete_bucket_encryption")
            return
        rule = {"SSEAlgorithm": wanted["algorithm"]}
        if wanted["key_id"]:
            rule["KMSMasterKeyID"] = wanted["key_id"]
        self.call(
            "change the encryption of",
            "put_bucket_encryption",
            ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
        )

    def read_policy(self):
        return _policy.canonical(self._read("read the policy of", "get_bucket_policy").get("Policy", ""))

    def write_policy(self, wanted):
        if wanted:
            self.call("change the policy of", "put_bucket_policy", Policy=json.dumps(wanted))
        else:
            self.call("remove the policy of", "delete_bucket_policy")

    def read_tags(self):
        found = self._read("read the tags of", "get_bucket_tagging")
        return {tag["Key"]: tag["Value"] for tag in found.get("TagSet", [])}

    def write_tags(self, wanted):
        if wanted:
            self.call("change the tags of", "put_bucket_tagging", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in wanted.items()]})
        else:
            self.call("remove the tags of", "delete_bucket_tagging")

    def read_lifecycle_rules(self):
        return canonical_lifecycle(self._read("read the lifecycle rules of", "get_bucket_lifecycle_configuration").get("Rules", []))

    def write_lifecycle_rules(self, wanted):
        if wanted:
            self.call("change the lifecycle rules of", "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": wanted})
        else:
            self.call("remove the lifecycle rules of", "delete_bucket_lifecycle")

    def wanted(self, options, current):
        """What the options ask for, in the form in which it is read."""
        wanted = {key: options[key] for key in self.ASPECTS if options.get(key) is not None}
        if "policy" in wanted:
            wanted["policy"] = _policy.canonical(wanted["policy"])
        if "tags" in wanted:
            tags = {key: str(value) for key, value in wanted["tags"].items()}
            # AWS puts some of its own on a bucket, and nobody may remove them.
            kept = {key: value for key, value in current["tags"].items() if not options.get("purge_tags", True) or key.startswith("aws:")}
            wanted["tags"] = {**kept, **tags}
        if "lifecycle_rules" in wanted:
            wanted["lifecycle_rules"] = canonical_lifecycle(wanted["lifecycle_rules"], aborts_uploads=not re.search("minio|silo", self.server, re.IGNORECASE))
        if "encryption" in wanted:
            algorithm = wanted["encryption"]
            if algorithm == "none" and self.server == "AmazonS3":
                # AWS knows no bucket without encryption any more.
                algorithm = "AES256"
            wanted["encryption"] = {"algorithm": algorithm, "key_id": options.get("encryption_key_id")}
        return wanted


_NEW = {
    "object_lock_enabled": False,
    "versioning": False,
    "encryption": {"algorithm": "none", "key_id": None},
    "policy": {},
    "tags": {},
    "lifecycle_rules": [],
}


def ensure_present(bucket, options, check_mode=False):
    """Bring the bucket to what the options ask for; returns it as it was and as it is, as far as the options name it."""
    region = options.get("region")
    names = [name for name in Bucket.ASPECTS if options.get(name) is not None]
    if bucket.exists(region):
        before = current = {name: getattr(bucket, f"read_{name}")() for name in names}
        before = {"name": bucket.name, **before}
    else:
        lock = bool(options.get("object_lock_enabled"))
        before = {}
        current = {**_NEW, "object_lock_enabled": lock, "versioning": lock}
        if not check_mode:
            bucket.create(region, lock)
    after = bucket.wanted(options, current)
    for name in names:
        if after[name] != current[name] and (not check_mode or name == "object_lock_enabled"):
            getattr(bucket, f"write_{name}")(after[name])
            if name == "lifecycle_rules":
                # What counts is what the server kept: some drop an action without a word.
                after[name] = bucket.read_lifecycle_rules()
    return before, {"name": bucket.name, **after}


def ensure_absent(bucket, force=False, check_mode=False):
    if not bucket.exists():
        return {}, {}
    if not force and not bucket.is_empty():
        raise S3Error(f"The bucket {bucket.name} is not empty: use force=true to delete it with all that is in it")
    if not check_mode:
        if force:
            bucket.empty()
        bucket.delete()
    return {"name": bucket.name}, {}
