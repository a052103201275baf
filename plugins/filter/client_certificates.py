# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of clients count, and who needs another one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_certificates
short_description: Say which certificates of clients count, and who needs another one
version_added: 1.0.0
description:
  - Judges the certificates that a CA has made for clients by the names that are to have one. The common name of a certificate is the name of its client.
  - A certificate counts until it ends, also beside a newer one, so that a client may take over the newer one when it likes.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
positional: _input, names
options:
  _input:
    description: PEM certificates, one after the other, or an empty text.
    type: str
    required: true
  names:
    description: Those who are to have a certificate. What others have counts no more.
    type: list
    elements: str
    required: true
  revoke:
    description: Names whose certificates made so far count no more.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Say who needs a certificate
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'clients.crt') | mlops.mlflow.client_certificates(['ci', 'laptop'])).due }}"
"""

RETURN = r"""
_value:
  description:
    - C(kept) are the certificates that count (PEM), C(users) the C(serial), as nginx writes it, and the C(name) of each.
    - C(left) are the names of certificates that are not among those listed.
    - C(due) are the names without a certificate that has more than half of its time left.
  type: dict
"""

import datetime
import typing as t

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


def time_of(certificate: x509.Certificate, which: str) -> datetime.datetime:
    """Its begin or end. Older versions of `cryptography` have times without a zone alone."""
    found = getattr(certificate, f"{which}_utc", None) or getattr(certificate, which)
    return t.cast("datetime.datetime", found.replace(tzinfo=datetime.timezone.utc))


def hexadecimal(serial: int) -> str:
    """In whole bytes."""
    return serial.to_bytes((serial.bit_length() + 7) // 8 or 1, "big").hex().upper()


def client_certificates(text: str, names: list[str], revoke: t.Sequence[str] = ()) -> dict[str, list[t.Any]]:
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("client_certificates needs the Python package cryptography on the controller")
    try:
        found = x509.load_pem_x509_certificates(text.encode()) if text.strip() else []
    except ValueError as exc:
        raise AnsibleFilterError(f"client_certificates cannot read a certificate: {exc}") from exc
    now = datetime.datetime.now(datetime.timezone.utc)
    kept: list[str] = []
    users: list[dict[str, str]] = []
    fresh = set()
    left = set()
    for certificate in found:
        name = next((str(part.value) for part in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)), "")
        begin, end = time_of(certificate, "not_valid_before"), time_of(certificate, "not_valid_after")
        if name not in names:
            left.add(name)
        if name not in names or name in revoke or end <= now:
            continue
        kept.append(certificate.public_bytes(Encoding.PEM).decode())
        users.append({"serial": hexadecimal(certificate.serial_number), "name": name})
        if end - now > (end - begin) / 2:
            fresh.add(name)
    return {"kept": kept, "users": users, "left": sorted(left), "due": [name for name in names if name not in fresh]}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"client_certificates": client_certificates}
