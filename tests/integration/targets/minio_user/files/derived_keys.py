"""Makes a service account `service-key` and a temporary key of the key that logs in, or tries keys: whether the server takes each.

What it needs comes as JSON on standard input: {"url", "region", "login": [key, secret]}, and with "keys" those to try.
"""

import json
import sys
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials import StaticProvider

given = json.load(sys.stdin)


def client(service, key, secret, token=None):
    urllib3.disable_warnings()
    return boto3.client(
        service,
        endpoint_url=given["url"],
        region_name=given["region"],
        verify=False,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def is_taken(key):
    try:
        client("s3", *key).list_buckets()
    except ClientError:
        return False
    return True


def make():
    url = urlsplit(given["url"])
    admin = MinioAdmin(
        endpoint=url.netloc,
        secure=url.scheme == "https",
        region=given["region"],
        credentials=StaticProvider(*given["login"]),
        http_client=urllib3.PoolManager(cert_reqs="CERT_NONE"),
    )
    admin.add_service_account(access_key="service-key", secret_key="service-secret")
    temporary = client("sts", *given["login"]).assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="proof", DurationSeconds=604800)["Credentials"]
    return [["service-key", "service-secret", None], [temporary["AccessKeyId"], temporary["SecretAccessKey"], temporary["SessionToken"]]]


print(json.dumps([is_taken(key) for key in given["keys"]] if "keys" in given else make()))
