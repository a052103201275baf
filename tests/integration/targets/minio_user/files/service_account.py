"""Adds the key `service-key` to the user that logs in; what it needs comes as JSON on standard input."""

import json
import sys
from urllib.parse import urlsplit

import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider

given = json.load(sys.stdin)
url = urlsplit(given["url"])
admin = MinioAdmin(
    endpoint=url.netloc,
    secure=url.scheme == "https",
    region=given["region"],
    credentials=StaticProvider(*given["login"]),
    http_client=urllib3.PoolManager(cert_reqs="CERT_NONE"),
)
print(json.loads(admin.add_service_account(access_key="service-key", secret_key="service-secret"))["credentials"]["accessKey"])
