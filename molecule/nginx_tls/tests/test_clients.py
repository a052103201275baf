"""A site that lets in who shows a certificate: the second one of the machine, beside one with passwords."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import secrets
import socket
import ssl
import stat
import urllib.parse
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

pytestmark = pytest.mark.one_machine("debian13")

NAME = "team.example.com"
FIRST = "mlflow.example.com"
PORT = 8443
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "team")
KEYS = WORK / "clients"
PATHS = [
    "/team/",
    "/health",
    "/team/health",
    "/api/2.0/mlflow-artifacts/artifacts/x",
    "/api/3.0/mlflow/server-info",
    "/v1/traces",
    "/gateway/x",
    "/static-files/main.c2f5f8d4.js",
]


class Team:
    def __init__(self, host):
        self.host = host
        self.address = host.check_output("hostname -I").split()[0]

    def context(self, pem=None, version=None):
        context = ssl.create_default_context()
        # Whom the server is, is proven elsewhere; here names differ on purpose.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if pem:
            context.load_cert_chain(pem)
        return context

    def ask(self, pem=None, path="/team/", server_name=NAME, name=NAME, headers=None, context=None, session=None):
        """The answer, on a connection of its own."""
        context = context or self.context(pem)
        with context.wrap_socket(socket.create_connection((self.address, PORT), 10), server_hostname=server_name, session=session) as connection:
            lines = [f"GET {path} HTTP/1.1", f"Host: {name}:{PORT}", "Connection: close", *(f"{key}: {value}" for key, value in (headers or {}).items())]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.content = answer.read()
            answer.resumed, answer.session = connection.session_reused, connection.session
            return answer


@pytest.fixture(scope="module")
def team(host):
    return Team(host)


def certificate(path, name, issuer=None, days=(-1, 1), usage=ExtendedKeyUsageOID.CLIENT_AUTH):
    """A key and a certificate, of this issuer (certificate and key), or of itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def issuer(team):
    """The CA itself, as one would have it who has broken into the machine."""
    files = [team.host.file(f"/etc/ssl/nginx_tls/team-clients-ca.{kind}").content for kind in ("crt", "key")]
    return x509.load_pem_x509_certificate(files[0]), serialization.load_pem_private_key(files[1], None)


@pytest.mark.parametrize("client", ["ci", "laptop"])
@pytest.mark.parametrize("path", PATHS)
def test_who_has_a_certificate_comes_in(team, client, path):
    assert team.ask(KEYS / f"{client}.pem", path).status == 200


def assert_refused(answer):
    assert answer.status == 403
    assert b"lets in who shows a client certificate" in answer.content


@pytest.mark.parametrize(
    "path", [*PATHS, "//", "/..;/health", "/x/%2e%2e/health", "/HEALTH", "/./static-files/x", "/.nginx_tls_configuration/", "/x/../.nginx_tls"]
)
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic Y2k6Y2k="}, {"X-Forwarded-User": "ci", "X-SSL-Client-Verify": "SUCCESS", "SSL_CLIENT_S_DN": "CN=ci"}]
)
def test_who_has_none_is_told_so(team, path, headers):
    assert_refused(team.ask(path=path, headers=headers))


@pytest.mark.parametrize("client", ["left", "lost"])
@pytest.mark.parametrize("path", PATHS)
def test_who_was_shut_out_is_told_so(team, client, path):
    assert_refused(team.ask(KEYS / f"{client}.pem", path))


def test_a_certificate_that_nobody_wrote_down_does_not_count(team, issuer, tmp_path):
    assert_refused(team.ask(certificate(tmp_path / "x.pem", "ci", issuer)))


@pytest.mark.parametrize(
    ("days", "usage"), [((-2, -1), ExtendedKeyUsageOID.CLIENT_AUTH), ((1, 2), ExtendedKeyUsageOID.CLIENT_AUTH), ((-1, 1), ExtendedKeyUsageOID.SERVER_AUTH)]
)
def test_a_certificate_that_is_not_good_today_or_for_clients_is_refused(team, issuer, tmp_path, days, usage):
    answer = team.ask(certificate(tmp_path / "x.pem", "ci", issuer, days, usage))
    assert answer.status == 400
    assert b"The SSL certificate error" in answer.content


def test_a_certificate_of_somebody_else_is_refused(team, issuer, tmp_path):
    assert team.ask(certificate(tmp_path / "x.pem", "ci")).status == 400
    # With the name of the CA, and another key.
    other = ec.generate_private_key(ec.SECP256R1())
    assert team.ask(certificate(tmp_path / "y.pem", "ci", (issuer[0], other))).status == 400


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("server_name", [FIRST, "unknown.example.com", None, "x." + NAME])
@pytest.mark.parametrize("name", [NAME, NAME.upper(), NAME + "."])
def test_another_name_at_the_handshake_opens_nothing(team, version, server_name, name):
    """The other site of the machine asks for no certificate."""
    assert team.ask(server_name=server_name, name=name, context=team.context(version=version)).status in (403, 421)
    # Nor with a certificate, which the first site does not look at.
    assert team.ask(server_name=server_name, name=name, context=team.context(KEYS / "ci.pem", version)).status in (403, 421)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_the_other_site_opens_nothing(team, version):
    context = team.context(version=version)
    session = team.ask(server_name=FIRST, name=FIRST, context=context).session
    answer = team.ask(server_name=FIRST, context=context, session=session)
    assert (answer.resumed, answer.status in (403, 421)) == (True, True)
    try:
        assert team.ask(context=context, session=session).status in (403, 421)
    except ssl.SSLError as exc:
        assert "ACCESS_DENIED" in str(exc)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_is_shut_out_is_so_in_a_session_that_goes_on(team, version):
    context = team.context(KEYS / "laptop.pem", version)
    first = team.ask(context=context)
    second = team.ask(context=context, session=first.session)
    assert (first.status, second.status, second.resumed) == (200, 200, True)
    site = "/etc/nginx/conf.d/team.conf"
    team.host.check_output(f"cp --archive {site} /root/team.conf && sed --in-place '/\"laptop\";$/d' {site} && systemctl reload nginx && sleep 1")
    try:
        third = team.ask(context=context, session=second.session)
        assert third.resumed
        assert_refused(third)
        assert team.ask(KEYS / "ci.pem").status == 200
    finally:
        team.host.check_output(f"mv /root/team.conf {site} && systemctl reload nginx && sleep 1")


def test_the_name_in_the_certificate_is_the_user(team):
    agent = f"test-{secrets.token_hex(8)}"
    claim = {"User-Agent": agent, "Authorization": "Basic cm9vdDpyb290"}
    for pem in (KEYS / "ci.pem", KEYS / "left.pem", None):
        team.ask(pem, headers=claim)
    log = team.host.check_output(f"sleep 0.5; grep {agent} /var/log/nginx/team.access.log").splitlines()
    said = [(line["user"], line["claimed_user"], line["status"]) for line in map(json.loads, log)]
    assert said == [("ci", "", 200), ("", "root", 403), ("", "root", 403)]


@pytest.mark.parametrize("name", ["model.bin", "a%20b%25c%3Fd%23e+f%C3%A9", "team/x", "%22;"])
def test_the_prefix_is_taken_off_and_the_rest_stays(team, name):
    pem, path = KEYS / "ci.pem", f"/api/2.0/mlflow-artifacts/artifacts/{name}?x=1%2F2%26&echo"
    for prefix in ("/team", ""):
        seen = json.loads(team.ask(pem, f"{prefix}{path}?echo").content)["path"]
        assert urllib.parse.unquote(seen) == urllib.parse.unquote(f"{path}?echo")
    assert "#" not in seen


def test_a_path_without_the_prefix_leads_to_the_pages(team):
    for path, place in (("/", "/team/"), ("/team", "/team/"), ("/team?x=1", "/team/?x=1"), ("/?x=1", "/team/?x=1")):
        answer = team.ask(KEYS / "ci.pem", path)
        assert (answer.status, answer.getheader("Location")) == (308, f"https://{NAME}:{PORT}{place}")


def test_what_is_refused_by_its_path_is_so_below_the_prefix(team):
    for path in ("/team", "//team", "/x/../team", "/%74eam", ""):
        answer = team.ask(KEYS / "ci.pem", f"{path}/ajax-api/3.0/mlflow/assistant/config")
        assert answer.status == 403
        assert b"nginx_tls_assistant_enabled" in answer.content


def test_files_of_the_ui_are_kept_below_the_prefix(team):
    path = f"/team/static-files/static/js/main.{secrets.token_hex(4)}.chunk.js"
    assert [team.ask(KEYS / "ci.pem", path).content.split()[0] for _times in range(2)] == [b"1", b"1"]


def test_keys_are_on_the_controller_alone(team):
    assert stat.S_IMODE(KEYS.stat().st_mode) == 0o700
    assert (KEYS / ".gitignore").read_text() == "*\n"
    for name in ("ci", "laptop"):
        assert stat.S_IMODE((KEYS / f"{name}.pem").stat().st_mode) == 0o600
        key = (KEYS / f"{name}.pem").read_text().split("\n")[1]
        assert team.host.run(f"grep --recursive --quiet --fixed-strings {key} /etc /var /root /tmp").rc == 1
        assert key not in team.host.check_output("journalctl --no-pager -o cat")
    ca_key = team.host.file("/etc/ssl/nginx_tls/team-clients-ca.key")
    assert (ca_key.user, ca_key.mode) == ("root", 0o600)


def test_the_first_site_is_as_before(team):
    assert team.ask(server_name=FIRST, name=FIRST).status == 401
    # A certificate of the second site is nothing there.
    assert team.ask(KEYS / "ci.pem", server_name=FIRST, name=FIRST).status == 401
