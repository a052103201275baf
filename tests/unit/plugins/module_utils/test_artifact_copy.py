# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_copy import Copy, described

COUNTS = {"files": 7, "copied_files": 2, "bytes": 90, "copied_bytes": 10}
PLACES = [{"type": "folder", "path": path} for path in ("/srv/source", "/srv/target")]


@pytest.mark.parametrize(("check_mode", "done"), [(True, "would be copied"), (False, "were copied and compared")])
def test_what_was_done_is_said(check_mode, done):
    assert described({**COUNTS, "hash_names": []}, check_mode) == f"2 of 7 files, with 10 of 90 bytes, {done}."


def test_names_that_mlflow_does_not_take_are_said_before_the_copy(monkeypatch, tmp_path):
    names = [f"7/r/artifacts/plot #{number}.png" for number in range(6)] + ["7/r/artifacts/plain"]
    copy = Copy(*PLACES, str(tmp_path), [])
    monkeypatch.setattr(
        copy._rclone, "listing", lambda root, *options: {name: {"Size": 1, "ModTime": "then"} for name in names} if "--copy-links" in options else {}
    )
    text = described(copy.run(check_mode=True), check_mode=True)
    assert "7 of 7 files, with 7 of 7 bytes, would be copied. 6 of the names hold a #, such as 7/r/artifacts/plot #0.png, " in text
    assert "plot #4.png: MLflow lists no folder" in text
    assert "plot #5" not in text
    assert "plain" not in text
