# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate from an own CA has to carry, and whether those at hand do."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_plan
short_description: Say what an own CA and its certificate must carry for some names
version_added: 1.0.0
description:
  - Turns DNS names and IP addresses into the fields of a certificate and into the name constraints of the CA that signs it, in the words of
    M(community.crypto.openssl_csr_pipe).
  - The CA is held to these names alone. Where there is no address among them, it may sign for none; where there is no DNS name, for none that exists.
  - Judges the CA's certificate and the server's certificate that are there already. Dates are compared by their distance only; whether they have
    passed is left to the host and its clock.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
positional: _input
options:
  _input:
    description: DNS names and IP addresses, at least one.
    type: list
    elements: str
    required: true
  ca:
    description: The PEM certificate of the CA at hand, or an empty text.
    type: str
    default: ""
  certificate:
    description: The PEM certificate at hand, or an empty text.
    type: str
    default: ""
  usages:
    description: The extended key usages that the certificate must have, as O(ignore:extended_key_usage) of M(community.crypto.openssl_csr_pipe) has them.
    type: list
    elements: str
    default: [serverAuth]
  days:
    description: The most days that the certificate may count.
    type: int
    default: 365
  ca_days:
    description: The most days that the CA's certificate may count.
    type: int
    default: 1825
"""

EXAMPLES = r"""
- name: Describe a CA for two names
  community.crypto.openssl_csr_pipe:
    privatekey_path: /etc/service/ca.key
    common_name: "{{ plan.ca_common_name }}"
    name_constraints_permitted: "{{ plan.permitted }}"
    name_constraints_excluded: "{{ plan.excluded }}"
    name_constraints_critical: true
  vars:
    plan: "{{ ['db.example.com', '10.0.0.5'] | mlops.mlflow.certificate_plan }}"
"""

RETURN = r"""
_value:
  description:
    - C(common_name) and C(subject_alt_name) of the certificate, C(ca_common_name), C(permitted) and C(excluded) of the CA.
    - C(ca_good) and C(good) tell whether O(ca) and O(certificate) are as they must be.
  type: dict
"""

import ipaddress
import typing as t

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

# The length that X.509 gives a common name.
MAX_COMMON_NAME = 64
NO_DNS_NAME = "DNS:invalid"
NO_ADDRESS = ["IP:0.0.0.0/0", "IP:::/0"]


def address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The name as an address, if it is one."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def fields(names: list[str]) -> dict[str, t.Any]:
    """What the names ask of the certificate and of its CA."""
    unique = list(dict.fromkeys(name.lower() for name in names))
    addresses = [found for found in map(address, unique) if found]
    dns_names = [name for name in unique if not address(name)]
    # Verifiers hold a common name that looks like a DNS name against the constraints where there is no other DNS name.
    common_name = dns_names[0] if dns_names else f"Server at {addresses[0]}"
    dns_subtrees = list(dict.fromkeys(name.removeprefix("*.") for name in dns_names))
    return {
        "common_name": common_name[:MAX_COMMON_NAME],
        "subject_alt_name": [f"IP:{address(name)}" if address(name) else f"DNS:{name}" for name in unique],
        "permitted": [*([f"DNS:{name}" for name in dns_subtrees] or [NO_DNS_NAME]), *(f"IP:{ipaddress.ip_network(found)}" for found in addresses)],
        "excluded": [] if addresses else NO_ADDRESS,
    }


def general_names(names: t.Iterable[x509.GeneralName] | None) -> list[str]:
    """DNS names and addresses as `fields` writes them, sorted; others by their kind."""
    kinds = {x509.DNSName: "DNS", x509.IPAddress: "IP"}
    return sorted(f"{kinds.get(type(name), type(name).__name__)}:{name.value}" for name in names or [])


def extension(certificate: x509.Certificate, kind: type[t.Any]) -> x509.Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def lasts(certificate: x509.Certificate, days: int) -> bool:
    """Whether the certificate counts no more than so many days, give or take the seconds in which it was made."""
    start, end = (getattr(certificate, f"{name}_utc", None) or getattr(certificate, name) for name in ("not_valid_before", "not_valid_after"))
    return (end - start).days <= days


def common_name(certificate: x509.Certificate) -> str:
    return next((str(part.value) for part in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)), "")


def is_constrained(ca: x509.Certificate, wanted: dict[str, t.Any]) -> bool:
    found = extension(ca, x509.NameConstraints)
    return (
        found is not None
        and found.critical
        and general_names(found.value.permitted_subtrees) == sorted(wanted["permitted"])
        and general_names(found.value.excluded_subtrees) == sorted(wanted["excluded"])
    )


def is_for(certificate: x509.Certificate, wanted: dict[str, t.Any], usages: list[str]) -> bool:
    names = extension(certificate, x509.SubjectAlternativeName)
    found_usages = extension(certificate, x509.ExtendedKeyUsage)
    oids = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
    return (
        common_name(certificate) == wanted["common_name"]
        and names is not None
        and general_names(names.value) == sorted(wanted["subject_alt_name"])
        and found_usages is not None
        and set(found_usages.value) == {oids[usage] for usage in usages}
    )


def certificate_plan(
    names: list[str], ca: str = "", certificate: str = "", usages: list[str] | None = None, days: int = 365, ca_days: int = 1825
) -> dict[str, t.Any]:
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("certificate_plan needs the Python package cryptography on the controller")
    if not names:
        raise AnsibleFilterError("certificate_plan needs at least one name")
    wanted = fields(names)
    try:
        found_ca, found = (x509.load_pem_x509_certificate(pem.encode()) if pem else None for pem in (ca, certificate))
    except ValueError as exc:
        raise AnsibleFilterError(f"certificate_plan cannot read a certificate: {exc}") from exc
    return {
        **wanted,
        # A CA keeps its name, or what it signed would have another issuer.
        "ca_common_name": (found_ca and common_name(found_ca)) or f"Own CA of {wanted['common_name']}"[:MAX_COMMON_NAME],
        "ca_good": found_ca is not None and is_constrained(found_ca, wanted) and lasts(found_ca, ca_days),
        "good": found is not None and is_for(found, wanted, usages or ["serverAuth"]) and lasts(found, days),
    }


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"certificate_plan": certificate_plan}
