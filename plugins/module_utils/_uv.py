# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Python environments that equal their requirement files, by uv."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile

from ansible_collections.mlops.mlflow.plugins.module_utils._uv_lock import UV_LOCK

UV_VERSION = re.findall(r"^uv==(\S+)", UV_LOCK, re.MULTILINE)[0]

# Prints where the pip lies that a Python brings for new environments. It runs as it is; to install it first takes three seconds.
FIND_PIP = """
import ensurepip, pathlib, sysconfig
folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), pathlib.Path(ensurepip.__file__).parent / "_bundled"]
print([wheel / "pip" for folder in folders if folder for wheel in pathlib.Path(folder).glob("pip-*.whl")][0])
"""

# Imports modules, so that Python writes the bytecode of all that comes along; one that is not there, or has something against it, is left out.
# Two processes share the work: the second begins at the other end.
COMPILE = """
import compileall, importlib, os, sys
child = os.fork()
for name in sys.argv[1:] if child else reversed(sys.argv[1:]):
    try:
        module = importlib.import_module(name.removesuffix(".*"))
    except (Exception, SystemExit):
        continue
    for folder in getattr(module, "__path__", []) if name.endswith(".*") else []:
        compileall.compile_dir(folder, quiet=2)
if child:
    os.waitpid(child, 0)
"""


class UvError(Exception):
    """A command failed; the text says which one and why."""


def _environment(ca_file, cache_dir, index_url):
    """What is added to the environment of every command. An address may hold a login, and arguments are for all to see."""
    # Only what the options say counts, not a configuration that lies on the machine.
    env = {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if ca_file:
        env.update(SSL_CERT_FILE=ca_file, PIP_CERT=ca_file)
    if index_url:
        env.update(UV_DEFAULT_INDEX=index_url, PIP_INDEX_URL=index_url)
    if cache_dir:
        env["UV_CACHE_DIR"] = cache_dir
    return env


def _private_file(path):
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        if stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


class UvVenv:
    """One environment: its folder, what has to be in it, and where packages come from."""

    def __init__(
        self,
        run_command,
        path,
        requirements,
        python,
        uv_dir,
        require_hashes=True,
        ca_file=None,
        index_url=None,
        find_links=None,
        offline=False,
        cache_dir=None,
        compile_only=None,
    ):
        self.run_command = run_command
        self.path = path
        self.requirements = requirements
        self.python = python
        self.uv_dir = uv_dir
        self.require_hashes = require_hashes
        self.find_links = find_links
        self.offline = offline
        self.cache_dir = cache_dir
        self.compile_only = compile_only
        self.env = _environment(ca_file, cache_dir, index_url)
        self.logins = [re.sub("^.*//|@.*$", "", address) for address in (index_url, find_links) if address and "@" in address]

    def _run(self, what, argv):
        """Run a command by run_command(argv, environ_update=...) -> (status, output, errors), as AnsibleModule has it."""
        status, output, errors = self.run_command(argv, environ_update=self.env)
        if status:
            raise UvError(f"Failed to {what} (exit status {status}): {self._without_logins((errors or output).strip())}")
        return output + errors

    def _without_logins(self, text):
        for login in self.logins:
            text = text.replace(login, "********")
        return text

    def _sources(self):
        argv = []
        if self.offline:
            argv += ["--no-index"]
        if self.find_links:
            argv += ["--find-links", self.find_links]
        return argv

    @property
    def uv(self):
        return os.path.join(self.uv_dir, "bin", "uv")

    @property
    def venv_python(self):
        return os.path.join(self.path, "bin", "python")

    def exists(self):
        return os.path.exists(self.venv_python)

    def uv_installed(self):
        return os.path.exists(self.uv) and self._run("ask uv for its version", [self.uv, "--version"]).split()[1:2] == [UV_VERSION]

    def install_uv(self):
        """Put the pinned uv into its own environment, by the Python's own venv and pip."""
        python = os.path.join(self.uv_dir, "bin", "python")
        self._run(f"make an environment in {self.uv_dir}", [self.python, "-m", "venv", "--clear", "--without-pip", self.uv_dir])
        pip = self._run("find this Python's pip (does it have its venv package?)", [python, "-c", FIND_PIP]).splitlines()[0]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
            lock.write(UV_LOCK)
            lock.flush()
            self._run("install uv", [python, pip, "install", "--quiet", "--require-hashes", "-r", lock.name, *self._sources()])

    def _sync_argv(self, *extra):
        argv = [self.uv, "pip", "sync", "--python", self.venv_python, "--link-mode", "copy", "--allow-empty-requirements"]
        if self.compile_only is None:
            argv.append("--compile-bytecode")
        if self.require_hashes:
            argv.append("--require-hashes")
        if self.offline:
            argv.append("--offline")
        return [*argv, *self._sources(), *extra, *self.requirements]

    def close_locks(self):
        """uv makes its locks for everybody, so that any user can hold one and keep root waiting. It leaves those alone that are there."""
        # The lock of a cache may be shared on purpose.
        if self.cache_dir and not os.path.exists(os.path.join(self.cache_dir, ".lock")):
            os.makedirs(self.cache_dir, exist_ok=True)
            _private_file(os.path.join(self.cache_dir, ".lock"))
        os.makedirs(self.path, exist_ok=True)
        _private_file(os.path.join(self.path, ".lock"))

    def pending(self):
        """The lines in which uv says what it would install and remove."""
        output = self._run("compare the environment with its requirements", self._sync_argv("--dry-run"))
        return [line.strip() for line in output.splitlines() if re.match(r"\s*[-+~] ", line)]

    def create(self):
        """Make the environment in full, or leave nothing."""
        try:
            self.close_locks()
            self._run("create the environment", [self.uv, "venv", "--python", self.python, "--allow-existing", self.path])
            self.sync()
        except UvError:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def sync(self):
        self._run("install the requirements", self._sync_argv())
        if self.compile_only:
            # Isolated: neither the folder that this runs in nor a variable of somebody adds to what is imported.
            self._run("compile what is asked for", [self.venv_python, "-I", "-W", "ignore", "-c", COMPILE, *self.compile_only])

    def remove(self):
        """Remove the environment's folder."""
        shutil.rmtree(self.path)
