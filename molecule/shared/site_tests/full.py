"""Runs on the store's machine with the Python of its modules: how much a bucket may hold. Arguments: address, bucket, bytes. The password comes by stdin."""

import sys

from minio import MinioAdmin
from minio.credentials import StaticProvider

ENDPOINT, BUCKET, SIZE = sys.argv[1:]
secure = ENDPOINT.startswith("https")
admin = MinioAdmin(
    endpoint=ENDPOINT.partition("//")[2], credentials=StaticProvider("admin", sys.stdin.read()), region="us-east-1", secure=secure, cert_check=False
)
admin.bucket_quota_set(BUCKET, int(SIZE))
