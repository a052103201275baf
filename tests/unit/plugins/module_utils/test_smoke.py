# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _smoke
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytest.importorskip("requests")


@pytest.fixture
def serve(tmp_path):
    """A web server with TLS of its own CA, and that CA: for 127.0.0.1, and not for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, ca = tmp_path / "server.pem", tmp_path / "ca.crt"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + ca.read_bytes())
    servers = []

    def run(status, text):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port, str(ca)

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_store_behind_nginx(serve):
    port, ca = serve(403, "Only the artifacts are here.\n")
    _smoke.check_store(f"https://127.0.0.1:{port}", ca)


def test_a_name_that_leads_nowhere():
    with pytest.raises(_smoke.SmokeError, match=r"store\.invalid, the name of the store, does not resolve on .*Let it lead to the host of nginx"):
        _smoke.check_store("https://store.invalid", None)


def test_a_host_on_which_nobody_listens(serve):
    with pytest.raises(_smoke.SmokeError, match=r"leads to 127\.0\.0\.1 port 1, where no web server answers"):
        _smoke.check_store("https://127.0.0.1:1", None)


@pytest.mark.parametrize(("host", "known"), [("localhost", True), ("127.0.0.1", False)])
def test_a_certificate_of_another_name_or_authority(serve, host, known):
    port, ca = serve(403, "Only the artifacts are here.\n")
    with pytest.raises(_smoke.SmokeError, match=r"whose certificate is not one that clients trust for this name"):
        _smoke.check_store(f"https://{host}:{port}", ca if known else None)


@pytest.mark.parametrize(("status", "text"), [(200, "<html>"), (403, "Host not allowed"), (404, "")])
def test_another_web_server(serve, status, text):
    port, ca = serve(status, text)
    with pytest.raises(_smoke.SmokeError, match=rf"where something else answers than the store by nginx of the site: HTTP {status}"):
        _smoke.check_store(f"https://127.0.0.1:{port}", ca)
