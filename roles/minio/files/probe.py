"""Write an object into a bucket of its own and read it back, within a deadline. Reads what it needs from standard input."""

import contextlib
import json
import sys
import time

import boto3
from botocore.config import Config

options = json.load(sys.stdin)
body = str(time.time()).encode()
client = boto3.client(
    "s3",
    endpoint_url=options["endpoint_url"],
    aws_access_key_id=options["access_key"],
    aws_secret_access_key=options["secret_key"],
    region_name=options["region"],
    verify=options["ca_file"] or None,
    config=Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={}),
)


def probe(bucket):
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="probe", Body=body)
    answer = client.get_object(Bucket=bucket, Key="probe")["Body"].read()
    client.delete_object(Bucket=bucket, Key="probe")
    client.delete_bucket(Bucket=bucket)
    if answer != body:
        raise ValueError("the object came back changed")


end = time.monotonic() + options["deadline_seconds"]
while True:
    try:
        probe(options["bucket"])
        break
    except Exception as exc:
        refused = getattr(exc, "response", {}).get("Error", {}).get("Code") in ("InvalidAccessKeyId", "SignatureDoesNotMatch")
        if refused or time.monotonic() > end:
            sys.exit(" ".join(str(exc).split()))
        time.sleep(1)
