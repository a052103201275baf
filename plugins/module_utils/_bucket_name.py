# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The rules of S3 for the names of buckets."""

from __future__ import annotations

import ipaddress
import re


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def forbidden(name: str) -> str | None:
    """What S3 says against the name, in words that say which rule it is; None for a good one."""
    problem = None
    if not 3 <= len(name) <= 63:
        problem = "it must have 3 to 63 characters"
    elif not re.fullmatch(r"[a-z0-9.-]+", name):
        problem = "it may hold only lower case letters, digits, dots and hyphens"
    elif not re.fullmatch(r"[a-z0-9].*[a-z0-9]", name):
        problem = "it must begin and end with a letter or digit"
    elif re.search(r"\.\.|\.-|-\.", name):
        problem = "a dot must stand between letters or digits"
    elif name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")):
        problem = "this prefix or suffix is reserved"
    elif _is_address(name):
        problem = "it must not look like an IP address"
    return f"S3 forbids the bucket name {name!r}: {problem}" if problem else None
