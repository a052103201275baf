# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: azure_blob_uri
author: mlops.mlflow contributors (@mlops-mlflow)
version_added: 1.0.0
short_description: Whether MLflow understands a URI of Azure Blob
description:
  - True for C(wasbs://CONTAINER@ACCOUNT.blob.core.windows.net), with a folder or without, and for the endpoints of China and of the government of the USA.
options:
  _input:
    description: The URI.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what MLflow does not understand
  ansible.builtin.assert:
    that: destination is mlops.mlflow.azure_blob_uri
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

URI = re.compile(r"wasbs://[^@/?#]+@[^./@?#]+\.blob\.core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)(/[^?#]*)?")


def azure_blob_uri(uri: object) -> bool:
    """As MLflow's repository for it reads them."""
    return URI.fullmatch(str(uri)) is not None


class TestModule:
    """Jinja tests for addresses of Azure."""

    def tests(self) -> dict[str, object]:
        return {"azure_blob_uri": azure_blob_uri}
