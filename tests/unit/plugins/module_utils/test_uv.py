# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._uv import UV_VERSION, UvError, UvVenv


class Recorder:
    """Stands in for AnsibleModule.run_command: keeps the calls, gives the answers in turn."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __call__(self, argv, environ_update):
        self.calls.append((argv, environ_update))
        return self.answers.pop(0)


def make(run, tmp_path, **options):
    defaults = {"path": str(tmp_path / "venv"), "requirements": ["/lock.txt"], "python": "python3", "uv_dir": str(tmp_path / "uv")}
    return UvVenv(run, **{**defaults, **options})


def test_pending_lists_what_uv_would_change(tmp_path):
    run = Recorder((0, "", "Resolved 2 packages in 1ms\nWould install 1 package\n - six==1.16.0\n + six==1.17.0\n"))
    assert make(run, tmp_path).pending() == ["- six==1.16.0", "+ six==1.17.0"]
    assert "--dry-run" in run.calls[0][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["--require-hashes"]),
        ({"offline": True, "find_links": "/wheels"}, ["--offline", "--no-index", "--find-links", "/wheels"]),
    ],
)
def test_options_reach_uv(tmp_path, options, words):
    run = Recorder((0, "", ""))
    make(run, tmp_path, **options).sync()
    assert set(words) <= set(run.calls[0][0])


def test_the_index_is_in_the_environment_alone(tmp_path):
    index = "https://me:s3cret@mirror/simple"
    run = Recorder((2, "", f"cannot reach {index}"))
    with pytest.raises(UvError, match=r"cannot reach https://\*+@mirror/simple"):
        make(run, tmp_path, index_url=index).sync()
    argv, env = run.calls[0]
    assert "s3cret" not in " ".join(argv)
    assert (env["UV_DEFAULT_INDEX"], env["PIP_INDEX_URL"]) == (index, index)


def test_no_user_can_hold_the_locks(tmp_path):
    venv = make(Recorder(), tmp_path, cache_dir=str(tmp_path / "cache"))
    venv.close_locks()
    locks = [tmp_path / "venv/.lock", tmp_path / "cache/.lock"]
    assert [lock.stat().st_mode & 0o777 for lock in locks] == [0o600, 0o600]
    for lock in locks:
        lock.chmod(0o666)
    venv.close_locks()
    # A cache may be shared on purpose.
    assert [lock.stat().st_mode & 0o777 for lock in locks] == [0o600, 0o666]


def test_hashes_are_checked_unless_told_otherwise(tmp_path):
    run = Recorder((0, "", ""))
    make(run, tmp_path, require_hashes=False).sync()
    assert "--require-hashes" not in run.calls[0][0]


def test_environment_carries_ca_and_cache(tmp_path):
    run = Recorder((0, "", ""))
    make(run, tmp_path, ca_file="/ca.pem", cache_dir="/cache").sync()
    env = run.calls[0][1]
    assert (env["SSL_CERT_FILE"], env["PIP_CERT"], env["UV_CACHE_DIR"]) == ("/ca.pem", "/ca.pem", "/cache")


def test_a_failed_creation_leaves_nothing(tmp_path):
    (tmp_path / "venv").mkdir()
    with pytest.raises(UvError, match=r"install the requirements.*hash mismatch"):
        make(Recorder((0, "", ""), (1, "", "hash mismatch")), tmp_path).create()
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(("answer", "installed"), [(f"uv {UV_VERSION} (abc)", True), ("uv 0.0.1", False)])
def test_another_uv_is_not_ours(tmp_path, answer, installed):
    (tmp_path / "uv/bin").mkdir(parents=True)
    (tmp_path / "uv/bin/uv").touch()
    assert make(Recorder((0, answer, "")), tmp_path).uv_installed() is installed


def test_uv_is_installed_by_the_pip_that_its_python_brings(tmp_path):
    run = Recorder((0, "", ""), (0, "/wheels/pip.whl/pip\n", "a warning"), (0, "", ""))
    make(run, tmp_path).install_uv()
    assert run.calls[2][0][:3] == [str(tmp_path / "uv/bin/python"), "/wheels/pip.whl/pip", "install"]
    assert "--require-hashes" in run.calls[2][0]


def test_a_python_without_its_venv_package_is_told_so(tmp_path):
    with pytest.raises(UvError, match="venv package"):
        make(Recorder((0, "", ""), (1, "", "ModuleNotFoundError: No module named 'ensurepip'")), tmp_path).install_uv()


def run_for_real(argv, environ_update):
    """uv has nothing to do here; Python compiles."""
    if argv[0].endswith("/uv"):
        return 0, "", ""
    done = subprocess.run(argv, env={**os.environ, **environ_update}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_only_what_is_asked_for_is_compiled(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    sources = {
        "server/__init__.py": "import needed",
        "server/lazy.py": "raise SystemExit",
        "needed.py": "",
        "whole/__init__.py": "",
        "whole/lazy.py": "raise SystemExit",
        "broken.py": "1 / 0",
        "other.py": "",
    }
    for name, source in sources.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(source)
    venv = make(run_for_real, tmp_path, compile_only=["broken", "server", "missing", "missing.*", "whole.*"])
    venv.sync()
    compiled = {str(path.relative_to(packages).with_name(path.name.partition(".")[0])) for path in packages.rglob("*.pyc")}
    assert compiled == {"server/__pycache__/__init__", "__pycache__/needed", "whole/__pycache__/__init__", "whole/__pycache__/lazy", "__pycache__/broken"}


@pytest.mark.parametrize(("asked", "by_uv"), [(None, True), ([], False), (["server"], False)])
def test_uv_compiles_where_nobody_says_what(tmp_path, asked, by_uv):
    run = Recorder((0, "", ""), (0, "", ""))
    make(run, tmp_path, compile_only=asked).sync()
    assert ("--compile-bytecode" in run.calls[0][0]) is by_uv
    assert len(run.calls) == (2 if asked else 1)
