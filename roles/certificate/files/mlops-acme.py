"""Certificates of an ACME server: mlops-acme --help

certbot gets and renews them (certbot.timer). This says when another one is needed, gives what came to the service that uses it, and writes metrics.
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import http.client
import json
import os
import pwd
import secrets
import shlex
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from configobj import ConfigObj
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

PROGRAM = "/usr/local/sbin/mlops-acme"
CONFIG = Path("/etc/mlops-acme")
CERTBOT = Path("/etc/letsencrypt")
SYSTEM_CAS = Path("/etc/ssl/certs/ca-certificates.crt")
TRUSTED = Path("/run/mlops-acme/ca.pem")
CHALLENGES = ".well-known/acme-challenge"
KEY_OPTIONS = {
    "ec256": ["--key-type", "ecdsa", "--elliptic-curve", "secp256r1"],
    "ec384": ["--key-type", "ecdsa", "--elliptic-curve", "secp384r1"],
    **{f"rsa{bits}": ["--key-type", "rsa", "--rsa-key-size", str(bits)] for bits in (2048, 3072, 4096)},
}
SHORT_LIFE = 10 * 86400


class Failed(Exception):
    """What went wrong, for the user."""


class Certificate:
    """One that certbot keeps for us."""

    def __init__(self, name: str):
        self.name = name
        self.wanted = json.loads(Path(CONFIG, f"{name}.json").read_text())
        # Others may have a certificate of the same name there.
        self.lineage = f"mlops-{name}"
        self.renewal = CERTBOT / "renewal" / f"{self.lineage}.conf"
        self.live = CERTBOT / "live" / self.lineage

    @property
    def issued(self) -> bool:
        return self.renewal.exists() and (self.live / "fullchain.pem").exists()

    def read(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.live / "fullchain.pem").read_bytes())

    def as_wanted(self) -> bool:
        """Whether what certbot has is what the site asks for."""
        if not self.issued:
            return False
        certificate = self.read()
        params = ConfigObj(str(self.renewal), encoding="utf-8")["renewalparams"]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        key = certificate.public_key()
        return {
            "names": sorted(names),
            "key_type": f"{'rsa' if isinstance(key, rsa.RSAPublicKey) else 'ec'}{key.key_size}",
            "directory_url": params["server"],
            "profile": params.get("required_profile", ""),
            "webroot": params["webroot_path"][0],
        } == {**{name: self.wanted[name] for name in ("key_type", "directory_url", "profile", "webroot")}, "names": sorted(self.wanted["names"])}

    def order(self) -> None:
        """Has certbot ask for another one. The first of a name also makes the account."""
        email, profile = self.wanted["email"], self.wanted["profile"]
        command = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", self.lineage, "--server", self.wanted["directory_url"]]
        command += ["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]
        command += ["--webroot", "--webroot-path", self.wanted["webroot"], *KEY_OPTIONS[self.wanted["key_type"]]]
        command += ["--required-profile", profile] if profile else []
        command += ["--force-renewal", "--renew-with-new-domains", "--deploy-hook", f"{PROGRAM} deploy {shlex.quote(self.name)}"]
        for name in self.wanted["names"]:
            command += ["--domain", name]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **trust()})
        if done.returncode:
            raise Failed(f"The ACME server {self.wanted['directory_url']} gave no certificate. certbot says: {done.stdout.strip()}")

    def set_renewal(self) -> None:
        """By a fraction of the lifetime, as certbot does by itself from 4.0 on: 30 days before the end would be always for a short one."""
        certificate = self.read()
        text = f"{renew_before((end(certificate) - begin(certificate)).total_seconds())} seconds"
        renewal = ConfigObj(str(self.renewal), encoding="utf-8")
        if renewal.get("renew_before_expiry") != text:
            renewal["renew_before_expiry"] = text
            renewal.write()

    def deploy(self) -> bool:
        """Gives the service what certbot has. Where the service does not take it, it keeps what it had."""
        if not self.issued:
            return False
        self.set_renewal()
        key = {name: self.wanted[name] for name in ("owner", "group", "mode")}
        files = [
            File(self.live / "privkey.pem", Path(self.wanted["key"]), **key),
            File(self.live / "fullchain.pem", Path(self.wanted["certificate"])),
        ]
        attributes = [file.put_attributes() for file in files]
        if all(file.same for file in files):
            return any(attributes)
        for file in files:
            file.put(file.new)
        for command in self.wanted["commands"]:
            done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                for file in files:
                    file.put(file.old)
                raise Failed(f"The new certificate is not in use, the former one is: {shlex.join(command)} failed: {done.stdout.strip()}")
        return True

    def write_metrics(self, failed: bool) -> None:
        """What Prometheus' node exporter reads. The time of the last success stays when a later run fails."""
        path = Path(self.wanted["metrics_dir"], f"mlops_acme_{self.name}.prom")
        values: dict[str, float] = {}
        with contextlib.suppress(FileNotFoundError):
            values = {name: float(value) for name, value in (line.split() for line in path.read_text().splitlines())}
        label = f'{{certificate="{self.name}"}}'
        values[f"mlops_acme_last_exit_code{label}"] = int(failed)
        if not failed:
            values[f"mlops_acme_last_success_timestamp_seconds{label}"] = round(time.time())
        if self.issued:
            served = x509.load_pem_x509_certificate(Path(self.wanted["certificate"]).read_bytes())
            values[f"mlops_acme_not_after_timestamp_seconds{label}"] = end(served).timestamp()
        part = path.with_suffix(".part")
        part.write_text("".join(f"{name} {value:.15g}\n" for name, value in sorted(values.items())))
        part.chmod(0o644)
        part.rename(path)


class File:
    """A file of certbot, and where the service reads it."""

    def __init__(self, source: Path, target: Path, owner: str = "root", group: str = "root", mode: str = "0644"):
        self.target = target
        self.ids = pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
        self.mode = int(mode, 8)
        self.new = source.read_bytes()
        self.old = target.read_bytes() if target.exists() else None
        self.same = self.new == self.old

    def put_attributes(self) -> bool:
        if self.old is None:
            return False
        found = self.target.stat()
        wrong = (found.st_uid, found.st_gid, found.st_mode & 0o7777) != (*self.ids, self.mode)
        if wrong:
            os.chown(self.target, *self.ids)
            self.target.chmod(self.mode)
        return wrong

    def put(self, content: bytes | None) -> None:
        if content is None:
            self.target.unlink()
            return
        part = self.target.with_name(f"{self.target.name}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            os.fchown(stream.fileno(), *self.ids)
            os.fchmod(stream.fileno(), self.mode)
            stream.write(content)
        part.rename(self.target)


def begin(certificate: x509.Certificate) -> datetime:
    return getattr(certificate, "not_valid_before_utc", None) or certificate.not_valid_before.replace(tzinfo=timezone.utc)


def end(certificate: x509.Certificate) -> datetime:
    return getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after.replace(tzinfo=timezone.utc)


def renew_before(lifetime: float) -> int:
    """Seconds before the end: a third of the lifetime, of a short one the half."""
    return round(lifetime / (2 if lifetime < SHORT_LIFE else 3))


def trust() -> dict[str, str]:
    """Lets certbot believe the CAs of the ACME servers, too. It asks all servers with one list, so that has those of the system."""
    own = sorted(CONFIG.glob("*.ca.pem"))
    if not own:
        return {}
    TRUSTED.parent.mkdir(mode=0o755, exist_ok=True)
    part = TRUSTED.with_suffix(".part")
    part.write_text("\n".join(path.read_text() for path in (SYSTEM_CAS, *own) if path.exists()))
    part.rename(TRUSTED)
    return {"REQUESTS_CA_BUNDLE": str(TRUSTED)}


def get(name: str, path: str) -> tuple[int, bytes]:
    """As the ACME server does, without a proxy."""
    connection = http.client.HTTPConnection(name, 80, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(65536)


def probe(name: str, path: str, content: bytes) -> str:
    """What is wrong with the way to the file; empty when nothing is."""
    try:
        addresses = sorted({found[4][0] for found in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except OSError as error:
        return f"{name} cannot be resolved ({error})"
    tried = f"{name} leads to {', '.join(addresses)}, and http://{name}{path}"
    try:
        status, said = get(name, path)
    except (OSError, http.client.HTTPException) as error:
        return f"{tried} does not answer ({error})"
    if (status, said) != (200, content):
        return f"{tried} answers {status}{'' if status != 200 else ' with something else'}"
    return ""


def check_reachable(names: list[str], webroot: Path) -> None:
    """Before the ACME server is asked: it counts what fails, and answers no more after a few."""
    content = secrets.token_hex(16)
    file = webroot / CHALLENGES / f"mlops-acme-{secrets.token_hex(8)}"
    file.write_text(content)
    file.chmod(0o644)
    try:
        problems = [problem for problem in (probe(name, f"/{CHALLENGES}/{file.name}", content.encode()) for name in names) if problem]
    finally:
        file.unlink()
    if problems:
        raise Failed(f"The ACME server was not asked, for it would not find this host: {'; '.join(problems)}. A file there was looked for from this host.")


def issue(certificate: Certificate, check: bool) -> bool:
    """Asks for another certificate where there is none as the site wants it."""
    due = not certificate.as_wanted()
    if check:
        return due
    if due:
        if certificate.wanted["probe"]:
            check_reachable(certificate.wanted["names"], Path(certificate.wanted["webroot"]))
        certificate.order()
    changed = certificate.deploy() or due
    if due:
        certificate.write_metrics(failed=False)
    return changed


def after_renewal(certificate: Certificate) -> None:
    """Runs when certbot's service ends, whatever came of it. The hook for a new certificate may have failed, which certbot does not tell."""
    failed = True
    try:
        certificate.deploy()
        failed = os.environ.get("SERVICE_RESULT") != "success"
    finally:
        certificate.write_metrics(failed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlops-acme", description="Certificates of an ACME server, which certbot gets and renews.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("trust", help="write the list of CAs that certbot is to believe")
    for action, text in (
        ("issue", "get the certificate if there is none as configured"),
        ("deploy", "give the service what certbot has"),
        ("after-renewal", "the same when certbot's service has ended, and write metrics"),
    ):
        actions.add_parser(action, help=text).add_argument("name", help="the file below /etc/mlops-acme, without .json")
    actions.choices["issue"].add_argument("--check", action="store_true", help="only say whether it would")
    arguments = parser.parse_args()
    try:
        if arguments.action == "trust":
            trust()
        elif arguments.action == "issue":
            print("changed" if issue(Certificate(arguments.name), arguments.check) else "unchanged")
        elif arguments.action == "deploy":
            Certificate(arguments.name).deploy()
        else:
            after_renewal(Certificate(arguments.name))
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
