# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Asks a store for artifacts whether an MLflow server may use it: writes, lists, reads and deletes one small object, as MLflow would.

Runs with MLflow's own Python, which has the libraries of the stores, with the environment that the server is going to have.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import re
import sys
import tempfile
import time
import typing as t

CONNECT_SECONDS, READ_SECONDS = 5, 20
CONTENT = b"Written and deleted to see whether MLflow may."

# What the stores call it: causes, which _store_words.py explains.
S3_CAUSES = {
    "InvalidAccessKeyId": "key",
    "SignatureDoesNotMatch": "secret",
    "InvalidToken": "token",
    "InvalidTokenId": "token",
    "ExpiredToken": "token",
    "NoSuchBucket": "missing",
    "AccessDenied": "forbidden",
    "AllAccessDisabled": "forbidden",
    "RequestTimeTooSkewed": "clock",
    "AuthorizationHeaderMalformed": "region",
    "PermanentRedirect": "region",
    "TemporaryRedirect": "region",
    "301": "region",
    "IllegalLocationConstraintException": "region",
    "InvalidRegion": "region",
    "QuotaExceeded": "full",
    "XMinioAdminBucketQuotaExceeded": "full",
    "XMinioStorageFull": "full",
}
AZURE_CAUSES = {
    "AuthenticationFailed": "secret",
    "ContainerNotFound": "missing",
    "ResourceNotFound": "missing",
    "AuthorizationFailure": "forbidden",
    "AuthorizationPermissionMismatch": "forbidden",
    "InsufficientAccountPermissions": "forbidden",
    "AccountIsDisabled": "forbidden",
}
HTTP_CAUSES = {401: "secret", 403: "forbidden", 404: "missing"}
# What libraries say of connections, each in words of its own.
UNKNOWN_NAME = re.compile(r"Name or service not known|name resolution|No address associated|getaddrinfo|NameResolutionError", re.IGNORECASE)
NO_TLS_SERVER = re.compile(r"WRONG_VERSION_NUMBER|record layer failure|UNKNOWN_PROTOCOL", re.IGNORECASE)
BAD_TLS = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSL|certificate", re.IGNORECASE)
BAD_CLOCK = re.compile(r"date header too old|reasonable timeframe|Token used too early", re.IGNORECASE)


class S3:
    """With the settings that MLflow reads from the environment."""

    def __init__(self, uri: str, name: str) -> None:
        import boto3
        from botocore.client import Config

        bucket, _slash, folder = uri.removeprefix("s3://").partition("/")
        style = os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") or "auto"
        timeouts = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": {"mode": "standard", "total_max_attempts": 2}}
        self.client = boto3.client(
            "s3",
            endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None,
            verify=False if os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("1", "true") else None,
            config=Config(signature_version="s3v4", s3={"addressing_style": style}, **timeouts),
        )
        # botocore would turn to the region that the server names. Addresses that MLflow signs for others do not.
        self.client.meta.events.register("before-call.s3", lambda context, **_others: context.setdefault("s3_redirect", {}).update(redirected=True))
        self.bucket, self.key = bucket, "/".join(filter(None, (folder.strip("/"), name)))
        self.options = json.loads(os.environ.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS") or "{}")

    def write(self) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.key, Body=CONTENT, **self.options)

    def list(self) -> None:
        self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.key, MaxKeys=1)

    def read(self) -> bytes:
        return t.cast(bytes, self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read())

    def delete(self) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.key)

    @staticmethod
    def cause(error: Exception) -> tuple[str, str]:
        from botocore import exceptions, parsers

        if isinstance(error, exceptions.NoCredentialsError):
            return "credentials", ""
        if isinstance(error, parsers.ResponseParserError):
            return "stranger", ""
        if not isinstance(error, exceptions.ClientError):
            return "", ""
        code = error.response.get("Error", {}).get("Code", "")
        answer = error.response.get("ResponseMetadata", {})
        headers, status = answer.get("HTTPHeaders", {}), answer.get("HTTPStatusCode", 0)
        cause = S3_CAUSES.get(code, "")
        if cause == "region":
            return cause, headers.get("x-amz-bucket-region", "")
        if cause == "clock":
            return cause, skew(headers)
        # Each answer of S3 has a code that is a word. A gateway's has none either.
        return cause or ("stranger" if not code or (code == str(status) and status in (*range(300, 500), 501)) else ""), ""


class Azure:
    """By the three ways that MLflow knows, in its order."""

    def __init__(self, uri: str, name: str) -> None:
        from azure.storage.blob import BlobServiceClient

        container, _at, rest = uri.removeprefix("wasbs://").partition("@")
        account, _slash, folder = rest.partition("/")
        options: dict[str, t.Any] = {"retry_total": 0, "connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        if "AZURE_STORAGE_CONNECTION_STRING" in os.environ:
            service = BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"], **options)
        else:
            credential: t.Any = os.environ.get("AZURE_STORAGE_ACCESS_KEY")
            if credential is None:
                from azure.identity import DefaultAzureCredential

                credential = DefaultAzureCredential()
            service = BlobServiceClient(f"https://{account}", credential=credential, **options)
        self.container = service.get_container_client(container)
        self.key = "/".join(filter(None, (folder.strip("/"), name)))

    def write(self) -> None:
        self.container.upload_blob(self.key, CONTENT, overwrite=True)

    def list(self) -> None:
        next(iter(self.container.list_blobs(name_starts_with=self.key)), None)

    def read(self) -> bytes:
        return t.cast(bytes, self.container.download_blob(self.key).readall())

    def delete(self) -> None:
        self.container.delete_blob(self.key)

    @staticmethod
    def cause(error: Exception) -> tuple[str, str]:
        from azure.core import exceptions

        if isinstance(error, exceptions.HttpResponseError) and error.response is not None:
            if BAD_CLOCK.search(str(error)):
                return "clock", skew(error.response.headers)
            if "failed to authenticate" in str(error):
                return "secret", ""
            code = str(getattr(error, "error_code", "") or "")
            return AZURE_CAUSES.get(code, "" if code else HTTP_CAUSES.get(error.status_code or 0, "")), ""
        if isinstance(error, exceptions.ClientAuthenticationError):
            return ("settings" if type(error).__name__ == "AzureSigningError" else "credentials"), ""
        return ("settings" if isinstance(error, ValueError) else ""), ""


class Gcs:
    """By the file of GOOGLE_APPLICATION_CREDENTIALS, what the machine has, or nothing, as MLflow does."""

    def __init__(self, uri: str, name: str) -> None:
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud import storage

        bucket, _slash, folder = uri.removeprefix("gs://").partition("/")
        try:
            client = storage.Client()
        except DefaultCredentialsError:
            if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
                raise
            client = storage.Client.create_anonymous_client()
        self.bucket = client.bucket(bucket)
        self.blob = self.bucket.blob("/".join(filter(None, (folder.strip("/"), name))))
        self.options: dict[str, t.Any] = {"timeout": (CONNECT_SECONDS, READ_SECONDS), "retry": None}

    def write(self) -> None:
        self.blob.upload_from_string(CONTENT, **self.options)

    def list(self) -> None:
        next(iter(self.bucket.list_blobs(prefix=self.blob.name, max_results=1, **self.options)), None)

    def read(self) -> bytes:
        return t.cast(bytes, self.blob.download_as_bytes(**self.options))

    def delete(self) -> None:
        self.blob.delete(**self.options)

    @staticmethod
    def cause(error: Exception) -> tuple[str, str]:
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import DefaultCredentialsError, RefreshError

        if BAD_CLOCK.search(str(error)):
            return "clock", ""
        if isinstance(error, GoogleAPICallError):
            return HTTP_CAUSES.get(error.code or 0, ""), ""
        if isinstance(error, RefreshError):
            return "secret", ""
        return ("settings" if isinstance(error, (DefaultCredentialsError, ValueError)) else ""), ""


STORES: dict[str, t.Any] = {"s3": S3, "wasbs": Azure, "gs": Gcs}


def skew(headers: t.Mapping[str, str]) -> str:
    """By how many seconds this clock is ahead of the one of an answer."""
    answered = email.utils.parsedate_to_datetime(headers["date"]).timestamp() if headers.get("date") else None
    return "" if answered is None else str(round(time.time() - answered))


def connection_cause(error: BaseException | None) -> str:
    """By what the errors below say, as libraries wrap them in each other."""
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__} {error}")
        error = error.__cause__ or error.__context__
    text = " ".join(texts)
    if UNKNOWN_NAME.search(text):
        return "name"
    if NO_TLS_SERVER.search(text):
        return "scheme"
    if BAD_TLS.search(text):
        return "tls"
    if re.search(r"closed|reset|BadStatusLine|RemoteDisconnected", text, re.IGNORECASE):
        return "closed"
    return "unreachable" if re.search(r"connect|timed? ?out|refused|unreachable", text, re.IGNORECASE) else ""


def ask(uri: str, name: str) -> dict[str, str]:
    """What went wrong: the step, the cause, what more is known of it, and the words of the library. Empty where nothing did."""
    kind = STORES[uri.partition(":")[0]]
    step = "set up"
    try:
        store = kind(uri, name)
        for step in ("write", "list", "read", "delete"):
            found = getattr(store, step)()
            if step == "read" and found != CONTENT:
                return {"step": step, "cause": "", "detail": "", "text": "what was read is not what was written"}
    except Exception as error:
        if step in ("list", "read"):
            with contextlib.suppress(Exception):
                store.delete()
        # Locks of others may lack the library.
        cause, detail = ("", "") if isinstance(error, ImportError) else kind.cause(error)
        return {"step": step, "cause": cause or connection_cause(error), "detail": detail, "text": f"{type(error).__name__}: {error}"}
    return {}


def run(request: dict[str, t.Any]) -> None:
    """Answer on standard output. Files that the environment names and that are not written yet are in the request."""
    # What whoever runs this has in the environment is not the server's.
    path = os.environ.get("PATH", os.defpath)
    os.environ.clear()
    os.environ.update({"PATH": path, **request["environment"]})
    with tempfile.TemporaryDirectory(prefix="mlops-store-") as folder:
        for number, (place, content) in enumerate(request["files"].items()):
            stand_in = os.path.join(folder, str(number))
            with open(stand_in, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.environ.update({name: stand_in for name, value in request["environment"].items() if value == place})
        json.dump({uri: ask(uri, request["name"]) for uri in request["uris"]}, sys.stdout)
