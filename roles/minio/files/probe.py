"""Write an object into a bucket of its own and read it back, within a deadline; then see that the well-known login is refused.

Reads what it needs from standard input.
"""

import contextlib
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

options = json.load(sys.stdin)
body = str(time.time()).encode()


def connect(access_key, secret_key):
    return boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=options["region"],
        verify=options["ca_file"] or None,
        config=Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={}),
    )


def error_code(exc):
    return getattr(exc, "response", {}).get("Error", {}).get("Code")


def probe(client, bucket):
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="probe", Body=body)
    answer = client.get_object(Bucket=bucket, Key="probe")["Body"].read()
    client.delete_object(Bucket=bucket, Key="probe")
    client.delete_bucket(Bucket=bucket)
    if answer != body:
        raise ValueError("the object came back changed")


client = connect(options["access_key"], options["secret_key"])
end = time.monotonic() + options["deadline_seconds"]
while True:
    try:
        probe(client, options["bucket"])
        break
    except Exception as exc:
        if error_code(exc) in ("InvalidAccessKeyId", "SignatureDoesNotMatch") or time.monotonic() > end:
            sys.exit(f"did not write and read an object within {options['deadline_seconds']} s: {' '.join(str(exc).split())}")
        time.sleep(1)

try:
    connect("minioadmin", "minioadmin").list_buckets()
    sys.exit("takes the well-known login minioadmin")
except ClientError as exc:
    if error_code(exc) != "InvalidAccessKeyId":
        sys.exit(f"does not refuse the well-known login minioadmin: {' '.join(str(exc).split())}")
