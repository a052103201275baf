"""Which URIs of Azure Blob MLflow understands."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.azure_blob_uri import azure_blob_uri


@pytest.mark.parametrize(
    ("uri", "understood"),
    [
        ("wasbs://files@account.blob.core.windows.net", True),
        ("wasbs://files@account.blob.core.windows.net/a/folder", True),
        ("wasbs://files@account.blob.core.chinacloudapi.cn/", True),
        ("wasbs://files@account.blob.core.usgovcloudapi.net", True),
        ("wasbs://files@a.b.blob.core.windows.net", False),
        ("wasbs://account.blob.core.windows.net/files", False),
        ("wasbs://files@account.blob.core.windows.net.example.com", False),
        ("wasbs://files@account.blob.core.windows.net?sig=x", False),
        ("wasbs://files@accountxblobxcorexwindowsxnet", False),
        ("wasb://files@account.blob.core.windows.net", False),
    ],
)
def test_as_mlflow_reads_it(uri, understood):
    assert azure_blob_uri(uri) is understood
