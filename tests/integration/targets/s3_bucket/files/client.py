"""Calls of boto3 past the module: {"login": {...}, "service": "s3", "calls": [[method, options], ...]} on stdin, the answers on stdout."""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

order = json.load(sys.stdin)
client = boto3.client(order.get("service", "s3"), config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}), **order["login"])


def call(method, options):
    try:
        return getattr(client, method)(**options)
    except ClientError as exc:
        return exc.response["Error"]["Code"]


print(json.dumps([call(*one) for one in order["calls"]], default=str))
