# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Buckets of any S3 server."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import re
import traceback
import typing as t

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.mlops.mlflow.plugins.module_utils import _bucket_name, _policy

try:
    import boto3
    import botocore.exceptions
    import botocore.validate
    import urllib3
    from botocore.config import Config

    BOTO3_IMPORT_ERROR = None
except ImportError:
    BOTO3_IMPORT_ERROR = traceback.format_exc()


class S3Error(Exception):
    """A call failed, or what is wanted cannot be; the text says which one and why."""

    def __init__(self, message: str, code: str | None = None) -> None:
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
# Codes of servers that want a checksum which boto3 does not send any more.
_WANTS_MD5 = "MissingContentMD5"
_WRONG_REGION = "the bucket or the server is in another region than the one given"
_CAUSES = {
    "SignatureDoesNotMatch": "the secret_key does not belong to the access_key",
    "InvalidAccessKeyId": "the server does not know the access_key, or it is disabled",
    "AccessDenied": "the key has no right to do this, or the bucket belongs to somebody else",
    "AllAccessDisabled": "the bucket belongs to somebody else",
    "BucketAlreadyExists": "a bucket of that name belongs to somebody else",
    "RequestTimeTooSkewed": "the clocks of this host and of the server differ too much",
    "ExpiredToken": "the session_token has expired",
    "InvalidToken": "the session_token does not belong to the access_key",
    "InvalidTokenId": "the session_token does not belong to the access_key, or has expired",
    "301": _WRONG_REGION,
    "PermanentRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "InvalidLocationConstraint": _WRONG_REGION,
    "InvalidRegion": _WRONG_REGION,
}


def s3_argument_spec() -> dict[str, t.Any]:
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


def check_bucket_name(name: str) -> None:
    problem = _bucket_name.forbidden(name)
    if problem:
        raise S3Error(problem)


def _session(
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    **_: t.Any,
) -> t.Any:
    return boto3.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, aws_session_token=session_token, profile_name=profile, region_name=region
    )


def connect(**login: t.Any) -> t.Any:
    """A client of boto3 for the options of s3_argument_spec."""
    endpoint_url, addressing_style = login["endpoint_url"], login["addressing_style"]
    if endpoint_url and not re.match(r"https?://[^/]", endpoint_url):
        raise S3Error(f"endpoint_url must begin with http:// or https://, not {endpoint_url!r}")
    if login["aws_ca_bundle"] and login["validate_certs"] and not os.access(login["aws_ca_bundle"], os.R_OK):
        raise S3Error(f"aws_ca_bundle {login['aws_ca_bundle']} cannot be read")
    if addressing_style == "auto" and endpoint_url:
        addressing_style = "path"
    options = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 3}, "s3": {"addressing_style": addressing_style}}
    # Newer releases add checksums of a kind that older servers refuse.
    for option in ("request_checksum_calculation", "response_checksum_validation"):
        if option in Config.OPTION_DEFAULTS:
            options[option] = "when_required"
    if not login["validate_certs"]:
        urllib3.disable_warnings()
    try:
        session = _session(**login)
        client = session.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=session.region_name or "us-east-1",
            verify=login["aws_ca_bundle"] if login["validate_certs"] else False,
            config=Config(**options),
        )
    except (botocore.exceptions.BotoCoreError, ValueError, OSError) as exc:
        raise S3Error(f"Failed to set up the connection: {_cause(exc, endpoint_url)}") from exc
    if login["region"]:
        client.meta.events.register("before-call.s3", _stay_in_region)
    return client


def connect_admin(client: t.Any, **login: t.Any) -> t.Any:
    """The admin API of the same server, with the same credentials."""
    # Here, because it takes as long as the rest, and only a quota needs it.
    from ansible_collections.mlops.mlflow.plugins.module_utils._minio_admin import Admin, MinioError

    try:
        found = _session(**login).get_credentials()
        if found is None:
            raise botocore.exceptions.NoCredentialsError
        found = found.get_frozen_credentials()
    except (botocore.exceptions.BotoCoreError, ValueError, OSError) as exc:
        raise S3Error(f"Failed to set up the connection: {_cause(exc, login['endpoint_url'])}") from exc
    try:
        return Admin(
            client.meta.endpoint_url,
            found.access_key,
            found.secret_key,
            region=client.meta.region_name,
            validate_certs=login["validate_certs"],
            ca_file=login["aws_ca_bundle"] or os.environ.get("AWS_CA_BUNDLE"),
            session_token=found.token,
        )
    except MinioError as exc:
        raise S3Error(str(exc)) from exc


def _stay_in_region(context: dict[str, t.Any], **_: t.Any) -> None:
    # botocore would turn to whatever region the server names, and create the bucket there. Who gives a region means that one.
    context.setdefault("s3_redirect", {})["redirected"] = True


def _add_md5(request: t.Any, **_: t.Any) -> None:
    if request.data:
        request.headers["Content-MD5"] = base64.b64encode(hashlib.md5(request.data, usedforsecurity=False).digest()).decode()


def _header(answer: t.Any, name: str) -> t.Any:
    return answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(name)


def _is_unsupported(exc: t.Any) -> bool:
    return exc.response.get("Error", {}).get("Code") in _UNSUPPORTED or exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 501


def _cause(exc: Exception, endpoint: str) -> str:
    """One line for what boto3 raised."""
    if isinstance(exc, botocore.exceptions.ClientError):
        error = exc.response.get("Error", {})
        code, message = error.get("Code", ""), error.get("Message", "")
        if _is_unsupported(exc):
            return f"the server does not support it: {message} ({code})"
        if code in _CAUSES:
            cause = _CAUSES[code]
            if cause == _WRONG_REGION:
                cause += f": {message}"
            return f"{cause} ({code})"
        return f"{message} ({code})"
    if isinstance(exc, botocore.exceptions.SSLError):
        return f"TLS failed, does aws_ca_bundle hold the authority of the server's certificate, and does the certificate name the host? {exc}"
    if isinstance(exc, botocore.exceptions.ConnectionClosedError):
        return f"{endpoint} does not answer, is the scheme of endpoint_url right? {exc}"
    if isinstance(exc, (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)):
        return f"{endpoint} does not answer: {exc}"
    if isinstance(exc, botocore.exceptions.NoCredentialsError):
        return "no credentials: give access_key and secret_key, or a profile"
    return " ".join(str(exc).split())


def _lifecycle_rule(rule: dict[str, t.Any]) -> dict[str, t.Any]:
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


def _dated(action: t.Any) -> t.Any:
    date = action.get("Date")
    if isinstance(date, datetime.datetime) and date.tzinfo:
        date = date.astimezone(datetime.timezone.utc)
    # S3 takes nothing but midnight UTC.
    return {**action, "Date": f"{str(date)[:10]}T00:00:00Z"} if date else action


def canonical_lifecycle(rules: list[dict[str, t.Any]], aborts_uploads: bool = True) -> list[dict[str, t.Any]]:
    """Rules in the form to compare and to send. Without *aborts_uploads* what the server cannot keep is left out."""
    result = [_lifecycle_rule(rule) for rule in rules]
    if not aborts_uploads:
        for rule in result:
            rule.pop("AbortIncompleteMultipartUpload", None)
        result = [rule for rule in result if set(rule) - {"ID", "Status", "Filter"}]
    return sorted(result, key=lambda rule: rule["ID"])


# Where S3 sends notifications, by the service in the ARN: what the list is called, and the ARN in its entries.
_NOTIFICATION_KINDS = {
    "sqs": ("QueueConfigurations", "QueueArn"),
    "sns": ("TopicConfigurations", "TopicArn"),
    "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
}


def _service_of(arn: str) -> str:
    return (arn.split(":") + [""] * 3)[2]


def _given(options: t.Any) -> t.Any:
    """Without the sub-options that were not given."""
    return {key: value for key, value in (options or {}).items() if value is not None}


def canonical_notifications(items: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """In the form to compare: the names that servers give them and their order do not count, nor does the region that MinIO puts into its ARNs."""
    result = [
        {
            "arn": re.sub("^(arn:minio:sqs):[^:]*:", r"\1::", item["arn"]),
            "events": sorted(set(item["events"])),
            "prefix": item.get("prefix") or "",
            "suffix": item.get("suffix") or "",
        }
        for item in items
    ]
    return sorted(result, key=lambda item: json.dumps(item, sort_keys=True))


def check_tags(tags: dict[str, str]) -> None:
    """Refuse what S3 refuses, in words that say which rule it is."""
    problem = None
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    if len(own) > 50:
        problem = f"a bucket can have 50, not {len(own)}"
    for key, value in own.items():
        if not 1 <= len(key) <= 128:
            problem = f"the key {key!r} must have 1 to 128 characters"
        elif len(value) > 256:
            problem = f"the value of {key!r} must have 256 characters or less"
        elif key.lower().startswith("aws:"):
            problem = f"the key {key!r} has a reserved prefix"
    if problem:
        raise S3Error(f"S3 forbids these tags: {problem}")


def parse_size(text: t.Any) -> t.Any:
    """Bytes, from a number of them or from a size for humans."""
    try:
        return human_to_bytes(text)
    except ValueError as exc:
        raise S3Error(f"quota must be a number of bytes or a size like 100G, not {text!r}") from exc


class Bucket:
    """One bucket. What has a name in ASPECTS is read by read_NAME, and written by write_NAME."""

    # AWS wants versioning before it takes an object lock.
    ASPECTS = ("versioning", "object_lock_enabled", "object_lock_retention", "encryption", "policy", "tags", "lifecycle_rules", "notifications", "quota")

    def __init__(self, client: t.Any, name: str, admin: t.Any = None) -> None:
        """*admin* makes the connection for what S3 itself has no call for."""
        check_bucket_name(name)
        self.client = client
        self.name = name
        self.server = ""
        self.region: str | None = None
        self.unsupported: dict[str, S3Error] = {}
        self._make_admin = admin
        self._admin = None
        self._encryption_rule: dict[str, t.Any] = {}
        self._event_bridge: dict[str, t.Any] = {}
        self._answers: dict[str, t.Any] = {}

    @property
    def is_minio(self) -> bool:
        return bool(re.search("minio|silo", self.server, re.IGNORECASE))

    def call(self, action: str, method: str, **kwargs: t.Any) -> t.Any:
        operation = getattr(self.client, method)
        try:
            try:
                answer = operation(Bucket=self.name, **kwargs)
            except botocore.exceptions.ClientError as exc:
                if exc.response.get("Error", {}).get("Code") != _WANTS_MD5:
                    raise
                self.client.meta.events.register("before-sign.s3", _add_md5)
                answer = operation(Bucket=self.name, **kwargs)
            self._note_server(answer)
            return answer
        except botocore.exceptions.ClientError as exc:
            self._note_server(exc.response)
            self.region = self.region or exc.response.get("Error", {}).get("Region")
            code = "NotImplemented" if _is_unsupported(exc) else exc.response.get("Error", {}).get("Code")
            raise S3Error(f"Failed to {action} bucket {self.name}: {_cause(exc, self.client.meta.endpoint_url)}", code) from exc
        except (botocore.exceptions.BotoCoreError, ValueError, OSError) as exc:
            raise S3Error(f"Failed to {action} bucket {self.name}: {_cause(exc, self.client.meta.endpoint_url)}") from exc

    def _note_server(self, answer: t.Any) -> None:
        self.server = self.server or _header(answer, "server") or ""

    def _read(self, action: str, method: str) -> t.Any:
        try:
            return self.call(action, method)
        except S3Error as exc:
            if exc.code in _ABSENT:
                return {}
            raise

    def _read_once(self, action: str, method: str) -> t.Any:
        """For what more than one aspect is read from."""
        if method not in self._answers:
            self._answers[method] = self._read(action, method)
        return self._answers[method]

    # The bucket itself

    def exists(self) -> bool:
        action = "find out about"
        try:
            self.region = _header(self.call(action, "head_bucket"), "x-amz-bucket-region")
        except S3Error as exc:
            if exc.code in _ABSENT:
                return False
            if exc.code is None:
                raise
            # An answer to HEAD has no body, so the cause must be asked for. Who may not list a bucket may be allowed to ask this.
            try:
                self.region = self.call(action, "get_bucket_location").get("LocationConstraint") or "us-east-1"
            except S3Error as reason:
                if reason.code in _ABSENT:
                    return False
                # This call is made without the bucket in the host name, where perhaps nobody answers.
                raise (exc if isinstance(reason.__cause__, botocore.exceptions.EndpointConnectionError) else reason) from reason
        return True

    def check_region(self, region: str) -> None:
        """Refuse a bucket that is, or a server that would create it, somewhere else."""
        if not self.region and self.is_minio:
            # It finds a missing bucket in every region, but creates one in its own; any answer with a body tells which that is.
            self._read_once("find out about", "get_bucket_versioning")
        if self.region and self.region != region:
            raise S3Error(f"The bucket {self.name} cannot be in the region {region}: it or the server is in {self.region}")

    def create(self, object_lock: bool = False) -> None:
        options: dict[str, t.Any] = {}
        region = self.client.meta.region_name
        # The one region that must not be named.
        if region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if object_lock:
            options["ObjectLockEnabledForBucket"] = True
        try:
            self.call("create", "create_bucket", **options)
        except S3Error as exc:
            # Somebody with the same key was faster.
            if exc.code != "BucketAlreadyOwnedByYou":
                raise

    def _objects(self, limit: int = 1000) -> list[dict[str, str]]:
        """The first of all versions of all objects, as they must be named to be deleted."""
        action = "list the objects of"
        try:
            page = self.call(action, "list_object_versions", MaxKeys=limit)
            return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        except S3Error as exc:
            if exc.code not in _UNSUPPORTED:
                raise
            return [{"Key": item["Key"]} for item in self.call(action, "list_objects_v2", MaxKeys=limit).get("Contents", [])]

    def delete_objects(self, found: list[dict[str, str]]) -> None:
        answer = self.call("delete the objects of", "delete_objects", Delete={"Objects": found, "Quiet": True})
        for error in answer.get("Errors", []):
            raise S3Error(f"Failed to delete the object {error['Key']} of bucket {self.name}: {error.get('Message')} ({error.get('Code')})")

    def is_empty(self) -> bool:
        return not self._objects(limit=1)

    def empty(self) -> None:
        """Delete every version of every object, and what uploads have left."""
        found = self._objects()
        done: list[dict[str, str]] = []
        while found:
            if found == done:
                raise S3Error(f"Failed to delete the objects of bucket {self.name}: the server says that they are gone, and lists them all the same")
            self.delete_objects(found)
            found, done = self._objects(), found
        for upload in self.call("list the uploads to", "list_multipart_uploads").get("Uploads", []):
            self.call("abort the uploads to", "abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])

    def delete(self) -> None:
        self.call("delete", "delete_bucket")

    # Its aspects

    def read(self, name: str) -> t.Any:
        """One aspect, None where the server has no such thing."""
        try:
            return getattr(self, f"read_{name}")()
        except S3Error as exc:
            if exc.code not in _UNSUPPORTED:
                raise
            self.unsupported[name] = exc
            return None

    def write(self, name: str, wanted: t.Any) -> None:
        getattr(self, f"write_{name}")(wanted)

    def read_object_lock_enabled(self) -> t.Any:
        return self._object_lock().get("ObjectLockEnabled") == "Enabled"

    def _object_lock(self) -> t.Any:
        return self._read_once("read the object lock of", "get_object_lock_configuration").get("ObjectLockConfiguration", {})

    def write_object_lock_enabled(self, wanted: t.Any) -> None:
        self.call("change the object lock of", "put_object_lock_configuration", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})

    def read_object_lock_retention(self) -> t.Any:
        rule = self._object_lock().get("Rule", {}).get("DefaultRetention", {})
        return {name.lower(): value.lower() if name == "Mode" else value for name, value in rule.items()}

    def write_object_lock_retention(self, wanted: t.Any) -> None:
        rule = {name.capitalize(): value.upper() if name == "mode" else value for name, value in wanted.items()}
        configuration = {"ObjectLockEnabled": "Enabled", **({"Rule": {"DefaultRetention": rule}} if rule else {})}
        self.call("change the retention of", "put_object_lock_configuration", ObjectLockConfiguration=configuration)

    def read_versioning(self) -> t.Any:
        return self._read_once("read the versioning of", "get_bucket_versioning").get("Status") == "Enabled"

    def write_versioning(self, wanted: t.Any) -> None:
        self.call("change the versioning of", "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled" if wanted else "Suspended"})

    def read_encryption(self) -> t.Any:
        found = self._read("read the encryption of", "get_bucket_encryption")
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
        self._encryption_rule = rules[0]
        rule = rules[0].get("ApplyServerSideEncryptionByDefault", {})
        return {"algorithm": rule.get("SSEAlgorithm", "none"), "key_id": rule.get("KMSMasterKeyID")}

    def write_encryption(self, wanted: t.Any) -> None:
        if wanted["algorithm"] == "none":
            self.call("remove the encryption of", "delete_bucket_encryption")
            return
        rule = {"SSEAlgorithm": wanted["algorithm"]}
        if wanted["key_id"]:
            rule["KMSMasterKeyID"] = wanted["key_id"]
        self.call(
            "change the encryption of",
            "put_bucket_encryption",
            ServerSideEncryptionConfiguration={"Rules": [{**self._encryption_rule, "ApplyServerSideEncryptionByDefault": rule}]},
        )

    def read_policy(self) -> t.Any:
        return _policy.canonical(self._read("read the policy of", "get_bucket_policy").get("Policy", ""))

    def write_policy(self, wanted: t.Any) -> None:
        if wanted:
            self.call("change the policy of", "put_bucket_policy", Policy=json.dumps(wanted))
        else:
            self.call("remove the policy of", "delete_bucket_policy")

    def read_tags(self) -> t.Any:
        found = self._read("read the tags of", "get_bucket_tagging")
        return {tag["Key"]: tag["Value"] for tag in found.get("TagSet", [])}

    def write_tags(self, wanted: t.Any) -> None:
        if wanted:
            self.call("change the tags of", "put_bucket_tagging", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in wanted.items()]})
        else:
            self.call("remove the tags of", "delete_bucket_tagging")

    def read_lifecycle_rules(self) -> t.Any:
        return canonical_lifecycle(self._read("read the lifecycle rules of", "get_bucket_lifecycle_configuration").get("Rules", []))

    def write_lifecycle_rules(self, wanted: t.Any) -> None:
        if wanted:
            self.call("change the lifecycle rules of", "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": wanted})
        else:
            self.call("remove the lifecycle rules of", "delete_bucket_lifecycle")

    def read_notifications(self) -> t.Any:
        found = self._read("read the notifications of", "get_bucket_notification_configuration")
        self._event_bridge = {key: value for key, value in found.items() if key == "EventBridgeConfiguration"}
        return canonical_notifications(
            {
                "arn": item[arn],
                "events": item["Events"],
                **{rule["Name"].lower(): rule["Value"] for rule in item.get("Filter", {}).get("Key", {}).get("FilterRules", [])},
            }
            for kind, arn in _NOTIFICATION_KINDS.values()
            for item in found.get(kind, [])
        )

    def write_notifications(self, wanted: t.Any) -> None:
        configuration = dict(self._event_bridge)
        for item in wanted:
            kind, arn = _NOTIFICATION_KINDS[_service_of(item["arn"])]
            rules = [{"Name": name, "Value": item[name]} for name in ("prefix", "suffix") if item[name]]
            entry = {arn: item["arn"], "Events": item["events"], **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})}
            configuration.setdefault(kind, []).append(entry)
        self.call("change the notifications of", "put_bucket_notification_configuration", NotificationConfiguration=configuration)

    @property
    def admin(self) -> t.Any:
        self._admin = self._admin or self._make_admin()
        return self._admin

    def read_quota(self) -> t.Any:
        admin = self.admin
        try:
            return admin.quota(self.name)
        except admin.Error as exc:
            # Without a code of its own, it is no answer of the admin API.
            raise S3Error(str(exc), "NotImplemented" if (exc.code or "").startswith("HTTP") else exc.code) from exc

    def write_quota(self, wanted: t.Any) -> None:
        admin = self.admin
        try:
            admin.set_quota(self.name, wanted)
        except admin.Error as exc:
            raise S3Error(str(exc), exc.code) from exc

    def check(self, options: dict[str, t.Any]) -> None:
        """Refuse what no server takes, before anything is asked or changed."""
        if options.get("object_lock_enabled") and options.get("versioning") is False:
            raise S3Error("A bucket with object_lock_enabled has versioning, which cannot be switched off")
        retention = _given(options.get("object_lock_retention"))
        if retention and (set(retention) not in ({"mode", "days"}, {"mode", "years"}) or min(retention.get("days", 1), retention.get("years", 1)) < 1):
            raise S3Error("object_lock_retention needs a mode, and either days or years, 1 or more")
        if retention and options.get("object_lock_enabled") is False:
            raise S3Error("object_lock_retention needs object_lock_enabled")
        for item in options.get("notifications") or []:
            if _service_of(item["arn"]) not in _NOTIFICATION_KINDS:
                raise S3Error(f"notifications go to the ARN of a queue (sqs), a topic (sns) or a function (lambda), not to {item['arn']!r}")
        if options.get("encryption_key_id") and not options["encryption"].startswith("aws:kms"):
            raise S3Error(f"encryption {options['encryption']} takes no encryption_key_id")
        if options.get("lifecycle_rules"):
            rules = [{"Status": "Enabled", **rule} for rule in options["lifecycle_rules"]]
            shape = self.client.meta.service_model.operation_model("PutBucketLifecycleConfiguration").input_shape
            report = botocore.validate.ParamValidator().validate({"Bucket": self.name, "LifecycleConfiguration": {"Rules": rules}}, shape)
            if report.has_errors():
                raise S3Error(f"S3 does not know such lifecycle_rules: {' '.join(report.generate_report().split())}")

    def wanted(self, options: dict[str, t.Any], current: t.Any) -> t.Any:
        """What the options ask for, in the form in which it is read."""
        wanted = {key: options[key] for key in self.ASPECTS if options.get(key) is not None}
        if "policy" in wanted:
            wanted["policy"] = _policy.canonical(wanted["policy"])
        if "tags" in wanted:
            tags = {key: "" if value is None else str(value) for key, value in wanted["tags"].items()}
            # AWS puts some of its own on a bucket, and nobody may remove them.
            kept = {key: value for key, value in current["tags"].items() if not options.get("purge_tags", True) or key.startswith("aws:")}
            wanted["tags"] = {**kept, **tags}
            check_tags(wanted["tags"])
        if "lifecycle_rules" in wanted:
            wanted["lifecycle_rules"] = canonical_lifecycle(wanted["lifecycle_rules"], aborts_uploads=not self.is_minio)
        if "encryption" in wanted:
            algorithm, key_id = wanted["encryption"], options.get("encryption_key_id")
            if algorithm == "none" and self.server == "AmazonS3":
                # AWS knows no bucket without encryption any more.
                algorithm = "AES256"
            if key_id is None and algorithm == current["encryption"]["algorithm"]:
                key_id = current["encryption"]["key_id"]
            wanted["encryption"] = {"algorithm": algorithm, "key_id": key_id or None}
        if "object_lock_retention" in wanted:
            wanted["object_lock_retention"] = _given(wanted["object_lock_retention"])
        if "notifications" in wanted:
            wanted["notifications"] = canonical_notifications(wanted["notifications"])
        if "quota" in wanted:
            wanted["quota"] = parse_size(wanted["quota"])
        return wanted

    def check_change(self, name: str, wanted: t.Any, after: t.Any) -> None:
        """Refuse a change that the server would refuse, so that check mode knows it too."""
        if name in self.unsupported:
            raise self.unsupported[name]
        if name == "encryption" and self.is_minio and wanted["algorithm"].startswith("aws:kms") and not wanted["key_id"]:
            raise S3Error(f"encryption {wanted['algorithm']} needs an encryption_key_id: this server has no default key")
        has_lock = after["object_lock_enabled"] if "object_lock_enabled" in after else name == "object_lock_retention" and self.read_object_lock_enabled()
        if name == "object_lock_retention" and wanted and not has_lock:
            raise S3Error(f"The bucket {self.name} has no object lock, which object_lock_retention needs: set object_lock_enabled")
        if name == "object_lock_enabled":
            problem = None
            if not wanted:
                problem = "cannot be switched off"
            elif self.is_minio:
                problem = "cannot be switched on: this server lets it be chosen only when the bucket is created"
            elif not (after["versioning"] if "versioning" in after else self.read_versioning()):
                problem = "cannot be switched on without versioning"
            if problem:
                raise S3Error(f"The object lock of bucket {self.name} {problem}")


_NEW = {
    "object_lock_enabled": False,
    "object_lock_retention": {},
    "versioning": False,
    "encryption": {"algorithm": "none", "key_id": None},
    "policy": {},
    "tags": {},
    "lifecycle_rules": [],
    "notifications": [],
    "quota": 0,
}


def ensure_present(bucket: Bucket, options: dict[str, t.Any], check_mode: bool = False) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Bring the bucket to what the options ask for; returns it as it was and as it is, as far as the options name it."""
    region = options.get("region")
    names = [name for name in Bucket.ASPECTS if options.get(name) is not None]
    bucket.check(options)
    found = bucket.exists()
    if region:
        bucket.check_region(region)
    if found:
        # A server that lacks something has it switched off.
        current = {name: _NEW[name] if value is None else value for name, value in ((name, bucket.read(name)) for name in names)}
        before = {"name": bucket.name, **current}
    else:
        lock = bool(options.get("object_lock_enabled"))
        current = {**_NEW, "object_lock_enabled": lock, "versioning": lock}
        before = {}
    after = bucket.wanted(options, current)
    changes = [name for name in names if after[name] != current[name]]
    for name in changes:
        bucket.check_change(name, after[name], after)
    if not check_mode:
        if not before:
            bucket.create(bool(options.get("object_lock_enabled")))
        for name in changes:
            bucket.write(name, after[name])
        if "lifecycle_rules" in changes and bucket.server != "AmazonS3":
            # What counts is what the server kept: some drop an action without a word.
            after["lifecycle_rules"] = bucket.read_lifecycle_rules()
    return before, {"name": bucket.name, **after}


def ensure_absent(bucket: Bucket, force: bool = False, check_mode: bool = False) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    if not bucket.exists():
        return {}, {}
    if not force and not bucket.is_empty():
        raise S3Error(f"The bucket {bucket.name} is not empty: use force=true to delete it with all that is in it")
    if not check_mode:
        if force:
            bucket.empty()
        bucket.delete()
    return {"name": bucket.name}, {}


def describe(bucket: Bucket, gather: t.Iterable[str]) -> dict[str, t.Any]:
    """The bucket with the aspects asked for, None for one that the server does not have; {} where there is no such bucket."""
    if not bucket.exists():
        return {}
    return {"name": bucket.name, "region": bucket.region or bucket.client.meta.region_name, **{name: bucket.read(name) for name in gather}}


def parse_time(text: str) -> datetime.datetime:
    """A point in time, from a text of ISO 8601; one without a zone is UTC."""
    try:
        # Before Python 3.11, Z is no zone.
        time = datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError as exc:
        raise S3Error(f"deleted_since must be a time such as 2026-05-01T14:00:00Z, not {text!r}") from exc
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


def undelete(bucket: Bucket, prefix: str = "", deleted_since: str | None = None, check_mode: bool = False) -> list[str]:
    """Bring back the objects below *prefix* that were deleted, since a time or ever; returns their names.

    A deleted object is one whose newest version is a mark that says so. Without its marks it is what it was.
    """
    since = parse_time(deleted_since) if deleted_since else None
    markers: dict[str, list[dict[str, str]]] = {}
    versioned: set[str] = set()
    deleted: set[str] = set()
    place: dict[str, str] = {}
    while True:
        page = bucket.call("list the objects of", "list_object_versions", Prefix=prefix, **place)
        versioned.update(item["Key"] for item in page.get("Versions", []))
        for item in page.get("DeleteMarkers", []):
            markers.setdefault(item["Key"], []).append({"Key": item["Key"], "VersionId": item["VersionId"]})
            if item["IsLatest"] and (since is None or item["LastModified"] >= since):
                deleted.add(item["Key"])
        if not page["IsTruncated"]:
            break
        place = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}
    names = sorted(deleted & versioned)
    if not check_mode:
        remove = [marker for name in names for marker in markers[name]]
        for start in range(0, len(remove), 1000):
            bucket.delete_objects(remove[start : start + 1000])
    return names
