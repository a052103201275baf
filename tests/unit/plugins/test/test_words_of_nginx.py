# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.test.host_name import host_name
from ansible_collections.mlops.mlflow.plugins.test.nginx_size import nginx_size
from ansible_collections.mlops.mlflow.plugins.test.openssl_password import openssl_password
from ansible_collections.mlops.mlflow.plugins.test.upstream import upstream


@pytest.mark.parametrize("name", ["mlflow.example.com", "site-one", "a_b.c", "x", "1.2", "a" * 63])
def test_host_names(name):
    assert host_name(name)


@pytest.mark.parametrize("name", ["", "https://x", "x:1", "x/", "X.example.com", "-x", "x-", "a..b", "x.", "a" * 64, "x\n", ".".join(["a"] * 128), "*.x"])
def test_no_host_names(name):
    assert not host_name(name)


def test_a_wildcard_is_a_first_label():
    assert host_name("*.example.com", wildcard=True)
    assert not host_name("a.*.com", wildcard=True)
    assert not host_name("*", wildcard=True)


@pytest.mark.parametrize("server", ["127.0.0.1:5000", "[::1]:5000", "db_1:1", "unix:/run/mlflow/mlflow.sock", "mlflow.internal:65535"])
def test_upstreams(server):
    assert upstream(server)


@pytest.mark.parametrize(
    "server", ["", "127.0.0.1", "http://x:1", "x:0", "x:65536", "x:000000", "unix:run/x", "unix:/run/a b", "unix:/a;b", "x:1/", "::1:5000", "x:1\n"]
)
def test_no_upstreams(server):
    assert not upstream(server)


@pytest.mark.parametrize("size", ["0", 1, "64m", "1G", "10k"])
def test_sizes(size):
    assert nginx_size(size)


@pytest.mark.parametrize("size", ["", "m", "1.5m", "-1", "64mb", "1 m", "1\n"])
def test_no_sizes(size):
    assert not nginx_size(size)


@pytest.mark.parametrize("password", ["x", "é" * 127, "a" * 255, 12345678])
def test_passwords_that_count_whole(password):
    assert openssl_password(password)


@pytest.mark.parametrize("password", ["", "é" * 128, "a" * 256, "a\nb", "a\r", "a\0b"])
def test_passwords_that_do_not(password):
    assert not openssl_password(password)
