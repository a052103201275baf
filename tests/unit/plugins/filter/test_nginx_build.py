# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.nginx_build import nginx_build


@pytest.mark.parametrize(
    ("text", "version", "openssl"),
    [
        ("nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.17 1 Jul 2025)\nTLS SNI", "1.22.1", "3.0.17"),
        ("nginx version: nginx/1.26.3 (Debian)\nbuilt with OpenSSL 3.5.1 1 Jul 2025\n", "1.26.3", "3.5.1"),
        ("nginx version: openresty/1.27.1.2\nbuilt with OpenSSL 3.4.1", "1.27.1.2", "3.4.1"),
        ("nginx version: nginx/1.28.0\nbuilt with BoringSSL", "1.28.0", "1.1.1"),
        ("", "1.18.0", "1.1.1"),
    ],
)
def test_versions(text, version, openssl):
    assert nginx_build(text) == {"version": version, "openssl": openssl}
