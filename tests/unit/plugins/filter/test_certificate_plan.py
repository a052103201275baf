# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import ipaddress

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.filter.certificate_plan import certificate_plan
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEY = ec.generate_private_key(ec.SECP256R1())
NAMES = ("db.example.com", "10.0.0.5")


def general_name(text):
    kind, value = text.split(":", 1)
    if kind == "DNS":
        return x509.DNSName(value)
    return x509.IPAddress(ipaddress.ip_network(value) if "/" in value else ipaddress.ip_address(value))


def certificate(name, days, *extensions):
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=days, seconds=1))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def ca(names=NAMES, days=1825, critical=True, name="Own CA of x"):
    plan = certificate_plan(names)
    subtrees = [[general_name(text) for text in plan[kind]] or None for kind in ("permitted", "excluded")]
    return certificate(name, days, (x509.NameConstraints(*subtrees), critical))


def leaf(names=NAMES, days=365, usages=(ExtendedKeyUsageOID.SERVER_AUTH,), name=None):
    plan = certificate_plan(names)
    names = x509.SubjectAlternativeName([general_name(text) for text in plan["subject_alt_name"]])
    return certificate(name or plan["common_name"], days, (names, False), (x509.ExtendedKeyUsage(usages), False))


@pytest.mark.parametrize(
    ("names", "common_name", "sans", "permitted", "excluded"),
    [
        (NAMES, "db.example.com", ["DNS:db.example.com", "IP:10.0.0.5"], ["DNS:db.example.com", "IP:10.0.0.5/32"], []),
        # Without an address, none may be signed.
        (["DB.example.com", "db.example.com"], "db.example.com", ["DNS:db.example.com"], ["DNS:db.example.com"], ["IP:0.0.0.0/0", "IP:::/0"]),
        (["0:0::1"], "Server at ::1", ["IP:::1"], ["DNS:invalid", "IP:::1/128"], []),
        (["*.example.com"], "*.example.com", ["DNS:*.example.com"], ["DNS:example.com"], ["IP:0.0.0.0/0", "IP:::/0"]),
        # A common name has 64 characters at the most.
        (["a" * 63 + ".example.com"], "a" * 63 + ".", ["DNS:" + "a" * 63 + ".example.com"], ["DNS:" + "a" * 63 + ".example.com"], ["IP:0.0.0.0/0", "IP:::/0"]),
    ],
)
def test_fields(names, common_name, sans, permitted, excluded):
    plan = certificate_plan(names)
    assert (plan["common_name"], plan["subject_alt_name"], plan["permitted"], plan["excluded"]) == (common_name, sans, permitted, excluded)
    assert plan["ca_common_name"] == f"Own CA of {common_name}"[:64]
    assert not plan["ca_good"]
    assert not plan["good"]


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (ca(), True),
        (ca(NAMES[::-1]), True),
        (ca(days=3650), False),
        (ca(critical=False), False),
        (ca(NAMES[:1]), False),
        (ca([*NAMES, "other.example.com"]), False),
        (certificate("Own CA of x", 1825), False),
        ("", False),
    ],
)
def test_a_ca_is_judged(found, good):
    assert certificate_plan(NAMES, ca=found)["ca_good"] == good


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (leaf(), True),
        (leaf(NAMES[::-1]), True),
        (leaf(days=366), False),
        (leaf(NAMES[:1]), False),
        (leaf(name="another"), False),
        (leaf(usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (leaf(usages=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (certificate("db.example.com", 365), False),
        ("", False),
    ],
)
def test_a_certificate_is_judged(found, good):
    assert certificate_plan(NAMES, certificate=found)["good"] == good


def test_usages_may_be_two():
    both = leaf(usages=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    assert certificate_plan(NAMES, certificate=both, usages=["clientAuth", "serverAuth"])["good"]


def test_a_ca_keeps_its_name():
    assert certificate_plan(["new.example.com"], ca=ca(name="Own CA of old.example.com"))["ca_common_name"] == "Own CA of old.example.com"


def test_what_cannot_be_read_is_an_error():
    with pytest.raises(AnsibleFilterError, match="at least one name"):
        certificate_plan([])
    with pytest.raises(AnsibleFilterError, match="cannot read"):
        certificate_plan(NAMES, ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----")
