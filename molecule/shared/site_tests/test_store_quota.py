"""What clients get when the store takes no more."""

import pytest

SET = """
import os
import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider
pool = urllib3.PoolManager(ca_certs="/etc/minio/certs/CAs/ca.crt")
admin = MinioAdmin(endpoint="{host}:9000", credentials=StaticProvider("admin", os.environ["ROOT_PASSWORD"]), secure=True, http_client=pool)
admin.bucket_quota_set("mlflow", {size})
"""
UPLOAD = """
import os, requests
http = requests.Session()
http.verify, http.trust_env = "/root/ca.crt", False
site, login = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts", ("mlflow".encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
for size in (2**21, 2**26):
    answer = http.put(f"{site}/artifacts/quota/x", data=bytes(size), auth=login, timeout=60)
    print(answer.status_code, answer.json().get("message", ""))
upload = http.post(f"{site}/mpu/create/quota", json={"path": "y", "num_parts": 1}, auth=login, timeout=30).json()
answer = http.put(upload["credentials"][0]["url"], data=bytes(2**21), timeout=60)
print(answer.status_code, "XMinioAdminBucketQuotaExceeded" in answer.text)
"""


@pytest.fixture
def quota(groups, execute, secrets):
    (host,) = groups["minio"]

    def limit(size):
        code = SET.format(host=host, size=size)
        execute(host, "/opt/minio/tools/bin/python", "-", stdin=code, env={"ROOT_PASSWORD": secrets["vault_minio_root_password"]})

    yield limit
    limit(0)


@pytest.mark.one_scenario("site")
def test_a_full_quota_is_said_with_a_status_on_which_no_client_tries_again(client, quota):
    """By nginx, which sees no more than a status, and by the store to who comes with an address of it."""
    quota(2**20)
    *large, direct = client(UPLOAD).stdout.splitlines()
    assert [answer[:60] for answer in large] == ["507 The artifact store is full, or its quota is reached, or "] * 2
    assert direct == "400 True"
