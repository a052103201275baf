# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import stat
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.mlflow.plugins.modules import host_files


@pytest.fixture
def keep(tmp_path, capsys):
    """Run the module as the user of the tests; its answer."""
    owner = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}

    def run(*files, **internal):
        with patch_module_args({"files": [{**owner, **file} for file in files], "_ansible_remote_tmp": str(tmp_path), **internal}), pytest.raises(SystemExit):
            host_files.main()
        return json.loads(capsys.readouterr().out)

    umask = os.umask(0o022)
    yield run
    os.umask(umask)


def test_a_secret_is_closed_until_it_is_whole_and_has_its_owner(keep, tmp_path, monkeypatch):
    """Whoever looks between two calls of the system finds a file of mode 0600, and under its own name the old one or the new one."""
    target = tmp_path / "secret"
    target.write_text("old")
    os.umask(0)
    seen = []

    def watch(name):
        call = getattr(os, name)

        def watched(*args, **options):
            here = [path for path in tmp_path.iterdir() if path.name.startswith(".host_files.")]
            seen.append((name, [oct(stat.S_IMODE(path.stat().st_mode)) for path in here], target.read_text()))
            return call(*args, **options)

        monkeypatch.setattr(os, name, watched)

    for name in ("fchown", "fchmod", "rename"):
        watch(name)
    assert keep({"path": str(target), "secret_content": "new", "mode": "0640"})["changed_paths"] == [str(target)]
    assert seen == [("fchown", ["0o600"], "old"), ("fchmod", ["0o600"], "old"), ("rename", ["0o640"], "old")]
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o640)


def test_the_backup_of_a_secret_is_closed_from_the_beginning(keep, tmp_path, monkeypatch):
    target = tmp_path / "secret"
    target.write_text("old")
    target.chmod(0o600)
    seen = []
    copy = shutil.copyfile

    def watched(source, goal, **options):
        result = copy(source, goal, **options)
        seen.append(oct(stat.S_IMODE(os.stat(goal).st_mode)))
        return result

    monkeypatch.setattr(shutil, "copyfile", watched)
    said = keep({"path": str(target), "secret_content": "new", "mode": "0600", "backup": True})
    (backup,) = said["backups"].values()
    assert seen == ["0o600"]
    assert (target.read_text(), Path(backup).read_text(), stat.S_IMODE(os.stat(backup).st_mode)) == ("new", "old", 0o600)


def test_nothing_is_written_to_the_log_of_the_system(keep, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(host_files.AnsibleModule, "_log_to_syslog", lambda self, msg: written.append(msg))
    keep({"path": str(tmp_path / "secret"), "secret_content": "one\ntwo"}, _ansible_no_log=False)
    assert written == []


def test_folders_are_open_whatever_the_umask(keep, tmp_path):
    os.umask(0o077)
    keep({"path": str(tmp_path / "a/b/c"), "state": "directory", "mode": "0700"})
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")] == [0o755, 0o755, 0o700]


def test_what_is_not_utf_8_is_shown_and_replaced(keep, tmp_path):
    (tmp_path / "text").write_bytes(b"\xff\n")
    said = keep({"path": str(tmp_path / "text"), "content": "é\n"}, _ansible_diff=True)
    assert said["diff"] == [{"before_header": str(tmp_path / "text"), "after_header": str(tmp_path / "text"), "before": "\ufffd\n", "after": "é\n"}]


def test_what_cannot_be_written_is_an_error(keep, tmp_path):
    said = keep({"path": str(tmp_path / "text"), "content": "\ud800"})
    assert said["failed"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "number"), [("root", 0), ("12345", 12345), ("nobody-knows", None)])
def test_numbers_of_users(name, number):
    assert host_files.number_of(pwd.getpwnam, name) == number
    assert number is None or host_files.name_of(pwd.getpwuid, number) == name


def test_a_task_without_diff_gets_none(keep, tmp_path):
    """Ansible shows whatever a module gives, also for a task that says `diff: false`."""
    said = keep({"path": str(tmp_path / "text"), "content": "thousands of lines\n"})
    assert said["changed"]
    assert "diff" not in said


def test_an_unused_folder_goes_with_the_last_file(keep, tmp_path):
    """Also foreseen in check mode; a folder with something else in it stays."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "ours").write_text("")
    entries = [{"path": str(folder / "ours"), "state": "absent"}, {"path": str(folder), "state": "unused"}]
    (folder / "other").write_text("")
    assert keep(*entries, _ansible_check_mode=True)["changed_paths"] == [str(folder / "ours")]
    (folder / "other").unlink()
    assert keep(*entries, _ansible_check_mode=True)["changed_paths"] == [str(folder / "ours"), str(folder)]
    assert folder.exists()
    assert keep(*entries)["changed_paths"] == [str(folder / "ours"), str(folder)]
    assert not folder.exists()
    assert not keep(*entries)["changed"]


def test_what_was_there_comes_back_as_it_was(keep, tmp_path):
    """Without `--diff`, too: a service that does not come up with the new files needs the old ones."""
    old, new, same, secret = (tmp_path / name for name in ("old", "new", "same", "secret"))
    old.write_text("before")
    old.chmod(0o640)
    same.write_text("same")
    files = [{"path": str(path), "content": path.name} for path in (old, new, same)]
    replaced = keep(*files, {"path": str(secret), "secret_content": "hush"})["replaced"]
    assert old.read_text() == "old"
    keep(*replaced)
    assert (old.read_text(), stat.S_IMODE(old.stat().st_mode)) == ("before", 0o640)
    assert (new.exists(), same.read_text(), secret.read_text()) == (False, "same", "hush")
