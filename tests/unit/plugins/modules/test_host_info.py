# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.modules import host_info


@pytest.mark.parametrize(
    ("little", "big", "address"),
    [
        ("0100007F", "7F000001", "127.0.0.1"),
        ("00000000", "00000000", "0.0.0.0"),
        ("0" * 32, "0" * 32, "::"),
        ("00000000000000000000000001000000", "00000000000000000000000000000001", "::1"),
        ("B80D0120000000000000000034120000", "20010DB8000000000000000000001234", "2001:db8::1234"),
        ("0000000000000000FFFF00000100007F", "00000000000000000000FFFF7F000001", "::ffff:7f00:1"),
    ],
)
def test_addresses_of_proc(monkeypatch, little, big, address):
    for order, digits in (("little", little), ("big", big)):
        monkeypatch.setattr(sys, "byteorder", order)
        # Newer Pythons write the last one in another way.
        assert host_info.ipaddress.ip_address(host_info.address_of(digits)) == host_info.ipaddress.ip_address(address)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("db.example.com:5432", (None, "db.example.com", "5432")),
        ("10.0.0.1:1", (None, "10.0.0.1", "1")),
        ("[::1]:65535", ("::1", None, "65535")),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", None, "80")),
    ],
)
def test_what_is_an_address(address, parts):
    assert host_info.is_address(address)
    assert host_info.ADDRESS.fullmatch(address).group("ipv6", "name", "port") == parts


@pytest.mark.parametrize("address", ["", "a", "a:", ":80", "a:0", "a:65536", "a:123456", "::1:80", "[::1]", "[a]:80", "a:80\n", "https://a:80", "a:٣"])
def test_what_is_none(address):
    assert not host_info.is_address(address)


def test_only_sockets_hold_sockets(monkeypatch):
    """The number of a pipe is not that of a socket, whatever its last digits are."""
    links = {"/proc/7/fd/1": "pipe:[9912345]", "/proc/7/fd/2": "/tmp/x:[12345]", "/proc/7/fd/3": "anon_inode:[eventpoll]"}
    monkeypatch.setattr(host_info.glob, "glob", lambda _pattern: list(links))
    monkeypatch.setattr(os, "readlink", links.__getitem__)
    assert host_info.processes_of({"12345"}) == {}


def test_who_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # The process is seen, so that no module is needed to ask further.
        (listener,) = host_info.listeners(None, [port])
        assert (listener["address"], listener["port"], listener["uid"], listener["pid"]) == ("127.0.0.1", port, os.getuid(), os.getpid())


@pytest.mark.parametrize(("make", "kind"), [(bool, "absent"), (os.mkdir, "directory"), (os.mkfifo, "other"), (lambda x: os.symlink("nowhere", x), "link")])
def test_kinds(tmp_path, make, kind):
    make(tmp_path / "x")
    assert host_info.path_state(str(tmp_path / "x")) == kind
