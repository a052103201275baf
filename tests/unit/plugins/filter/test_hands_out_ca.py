# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.hands_out_ca import hands_out_ca


@pytest.mark.parametrize(
    ("variables", "host", "expected"),
    [
        ("postgres_tls", {}, True),
        ("minio_tls", {"minio_tls_source": "selfsigned"}, True),
        ("minio_tls", {"minio_tls_source": "files"}, False),
        ("postgres_tls", {"postgres_tls_source": "files", "postgres_tls_ca_file": "ca.crt"}, True),
        ("nginx_tls", {"nginx_tls_certificate_source": "files", "nginx_tls_ca_file": ""}, False),
        ("nginx_tls", {"nginx_tls_certificate_source": "files", "nginx_tls_ca_file": "ca.crt"}, True),
        ("nginx_tls", {"nginx_tls_certificate_source": "acme"}, False),
    ],
)
def test_the_first_host_decides(variables, host, expected):
    assert hands_out_ca([host], variables) is expected
    assert hands_out_ca(iter([host, {f"{variables}_source": "files"}]), variables) is expected


def test_without_hosts_there_is_none():
    assert hands_out_ca([], "minio_tls") is False
