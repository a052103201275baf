"""The launcher of the server, and the socket that systemd keeps for it."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def serve(server_file):
    return server_file("serve.py")


@pytest.fixture
def folder():
    """With a short name: addresses of sockets have no room for more."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def systemd(folder, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        yield listener


def test_clients_wait_for_the_next_server_at_the_socket_that_systemd_has(serve, systemd, folder):
    path = folder / "mlflow.sock"
    path.write_text("what a killed server has left")
    os.close(serve.listen(str(path)))
    assert systemd.recv(100) == b"FDSTOREREMOVE=1\nFDNAME=listener"
    message, handles, _flags, _address = socket.recv_fds(systemd, 100, 2)
    assert message == b"FDSTORE=1\nFDNAME=listener"
    (handle,) = handles
    with socket.socket(fileno=handle) as kept, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"wait")
        server, _address = kept.accept()
        with server:
            assert server.recv(100) == b"wait"
    assert path.stat().st_mode & 0o777 == 0o666


def test_which_socket_is_the_kept_one(serve, folder, monkeypatch):
    path = str(folder / "mlflow.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        monkeypatch.setattr(serve, "LISTENER", listener.fileno())
        assert not serve.is_kept(path)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
        assert not serve.is_kept(path)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        assert serve.is_kept(path)
        assert not serve.is_kept(str(folder / "notify"))
        os.unlink(path)
        assert not serve.is_kept(path)
