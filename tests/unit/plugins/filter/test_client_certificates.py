# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of clients count, judged by certificates made here."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.filter.client_certificates import client_certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name, begin=-1, end=10, serial=0xABC):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(now + datetime.timedelta(days=begin))
        .not_valid_after(now + datetime.timedelta(days=end))
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_nobody_has_one():
    assert client_certificates("", ["ci", "laptop"]) == {"kept": [], "users": [], "left": [], "due": ["ci", "laptop"]}
    assert client_certificates("\n", []) == {"kept": [], "users": [], "left": [], "due": []}


def test_one_that_is_fresh_counts():
    ci = certificate("ci")
    assert client_certificates(ci, ["laptop", "ci"]) == {"kept": [ci], "users": [{"serial": "0ABC", "name": "ci"}], "left": [], "due": ["laptop"]}


@pytest.mark.parametrize(("begin", "end", "due"), [(-9, 10, []), (-10, 9, ["ci"]), (-300, 65, ["ci"]), (-10, -1, ["ci"])])
def test_it_is_made_anew_in_its_second_half(begin, end, due):
    found = client_certificates(certificate("ci", begin, end), ["ci"])
    assert found["due"] == due
    assert len(found["kept"]) == (end > 0)


def test_the_former_one_counts_beside_the_new_one():
    text = certificate("ci", serial=2) + certificate("ci", -300, 65, serial=1)
    found = client_certificates(text, ["ci"])
    assert (found["due"], [user["serial"] for user in found["users"]]) == ([], ["02", "01"])
    assert "".join(found["kept"]) == text


def test_who_is_not_listed_or_revoked_counts_no_more():
    text = certificate("ci", serial=1) + certificate("gone", serial=2) + certificate("laptop", serial=3)
    found = client_certificates(text, ["ci", "laptop"], revoke=["laptop"])
    assert found == {"kept": [certificate_of(text, 0)], "users": [{"serial": "01", "name": "ci"}], "left": ["gone"], "due": ["laptop"]}


def certificate_of(text, number):
    return text.split("-----END CERTIFICATE-----\n")[number] + "-----END CERTIFICATE-----\n"


def test_a_broken_file_is_refused():
    with pytest.raises(AnsibleFilterError, match="cannot read a certificate"):
        client_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ["ci"])
