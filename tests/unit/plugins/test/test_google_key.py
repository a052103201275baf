"""What counts as a key of Google."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.test.google_key import google_key

KEY = {"type": "service_account", "client_email": "me", "private_key": "x", "token_uri": "https://example.com"}


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        (json.dumps(KEY), True),
        (json.dumps({"type": "external_account", "audience": "x"}), True),
        (json.dumps({**KEY, "private_key": ""}), False),
        (json.dumps({"type": "service_account"}), False),
        (json.dumps({"client_email": "me"}), False),
        ("[]", False),
        ("", False),
        ("/etc/key.json", False),
    ],
)
def test_what_googles_libraries_read(text, is_key):
    assert google_key(text) is is_key
