#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Keep a list of folders, files and links as described, in one round trip
version_added: 1.0.0
description:
  - Brings each entry of O(files) to its state, in the given order, so that a folder may be followed by what is in it.
  - What M(ansible.builtin.file), M(ansible.builtin.copy) and M(ansible.builtin.template) do with one to three calls for each path,
    this does with one call for all of them. On a host where nothing differs, that is most of the time a role takes.
  - Everything is read and validated before the first path is changed. Files are replaced atomically.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  files:
    description: The paths, each of them once.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path.
        type: path
        required: true
      state:
        description:
          - V(file) is a regular file with O(files[].content) or O(files[].secret_content).
          - V(directory) is a folder. Folders above it that are missing are made, for root and with the mode V(0755).
          - V(link) is a symbolic link to O(files[].src), which need not exist.
          - V(absent) removes the path; of a folder, with all that is in it.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: The text of the file, such as of P(ansible.builtin.template#lookup). Shown by C(--diff).
        type: str
      secret_content:
        description: As O(files[].content), for a text that holds secrets. Never shown.
        type: str
      force:
        description: Whether a file that is there gets the content. With V(false) it keeps its own, and only owner, group and mode are looked at.
        type: bool
        default: true
      validate:
        description:
          - Command that must accept the new content before anything is replaced, with C(%s) in the place of a temporary file in the folder
            of O(files[].path). Split as a shell would, but not run by one.
          - Runs only when the content differs.
        type: str
      src:
        description: Where the link leads to.
        type: str
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: The permissions as an octal number in quotes. V(0755) for folders and V(0644) for files by default; links have none.
        type: str
"""

EXAMPLES = r"""
- name: Provide the configuration
  mlops.mlflow.host_files:
    files:
      - path: /etc/mlflow
        state: directory
      - path: /etc/mlflow/mlflow.env
        secret_content: "{{ lookup('ansible.builtin.template', 'mlflow.env.j2') }}"
        mode: "0600"
      - path: /opt/mlflow/current
        state: link
        src: venvs/3.17.2
  notify: Restart MLflow
"""

RETURN = r"""
changed_paths:
  description: The paths that were, or in check mode would be, changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/mlflow/mlflow.env]
"""

import os
import shlex
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

DEFAULT_MODES = {"directory": "0755", "file": "0644", "link": None, "absent": None}


class HostFilesError(Exception):
    """An entry cannot be brought to its state."""


def state_of(path: str) -> str:
    """What is at the path: file, directory, link, absent or other."""
    if os.path.islink(path):
        return "link"
    if not os.path.lexists(path):
        return "absent"
    if os.path.isdir(path):
        return "directory"
    return "file" if os.path.isfile(path) else "other"


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class Entry:
    """One path: what is there, what is wanted, and the way between."""

    def __init__(self, module: AnsibleModule, options: dict[str, t.Any]) -> None:
        self.module = module
        self.path: str = options["path"]
        self.wanted: str = options["state"]
        self.link_target: str | None = options["src"]
        self.validator: str | None = options["validate"]
        self.secret = options["secret_content"] is not None
        self.found = state_of(self.path)
        self.attributes = {"path": self.path, "owner": options["owner"], "group": options["group"], "mode": options["mode"] or DEFAULT_MODES[self.wanted]}
        self.new: bytes | None = None
        self.old: bytes | None = None
        if self.wanted == "file":
            text = options["secret_content"] if self.secret else options["content"]
            self.old = read(self.path) if self.found == "file" else None
            if self.old is None or options["force"]:
                self.new = text.encode()

    def check(self) -> None:
        """Refuse what cannot work."""
        if not os.path.isabs(self.path):
            raise HostFilesError(f"{self.path} is not an absolute path")
        if self.found not in (self.wanted, "absent") and self.wanted != "absent":
            raise HostFilesError(f"{self.path} is to become a {self.wanted}, but there is a {self.found}; move it away or choose another path")

    def content_differs(self) -> bool:
        return self.new is not None and self.new != self.old

    def validate(self) -> None:
        """Have the new content accepted by the command that was given for it."""
        folder = os.path.dirname(self.path)
        if self.validator is None or not self.content_differs():
            return
        # Where the folder is yet to be made, the file waits in the module's own.
        handle, candidate = tempfile.mkstemp(prefix=".host_files.", dir=folder if os.path.isdir(folder) else self.module.tmpdir)
        self.module.add_cleanup_file(candidate)
        with os.fdopen(handle, "wb") as file:
            file.write(self.new or b"")
        status, out, err = self.module.run_command([word.replace("%s", candidate) for word in shlex.split(self.validator)])
        os.unlink(candidate)
        if status:
            raise HostFilesError(f"{self.path} would not be valid, so nothing was changed: {(err or out).strip()}")

    def apply(self) -> bool:
        """Bring the path to its state; says whether it was, or in check mode would be, another one."""
        if self.wanted == "absent":
            if self.found != "absent" and not self.module.check_mode:
                remove(self.path, self.found)
            return self.found != "absent"
        changed = self.content_differs() or self.found == "absent" or (self.wanted == "link" and os.readlink(self.path) != self.link_target)
        if changed and not self.module.check_mode:
            self.write()
        if self.module.check_mode and (self.found == "absent" or not self.owners_exist()):
            return True
        return self.module.set_fs_attributes_if_different(self.file_args(self.path), changed)

    def write(self) -> None:
        if self.wanted == "directory":
            os.makedirs(self.path)
        elif self.wanted == "link":
            spare = f"{self.path}.{os.getpid()}"
            os.symlink(t.cast("str", self.link_target), spare)
            os.rename(spare, self.path)
        elif self.new is not None:
            # Not the module's own way to move files: that leaves a new file readable by everybody for a moment.
            handle, spare = tempfile.mkstemp(prefix=".host_files.", dir=os.path.dirname(self.path))
            self.module.add_cleanup_file(spare)
            with os.fdopen(handle, "wb") as file:
                file.write(self.new)
            self.module.set_fs_attributes_if_different(self.file_args(spare), False)
            os.rename(spare, self.path)

    def owners_exist(self) -> bool:
        """In check mode, users and groups may come from an earlier task of the same run."""
        import grp
        import pwd

        try:
            pwd.getpwnam(self.attributes["owner"])
            grp.getgrnam(self.attributes["group"])
        except KeyError:
            return False
        return True

    def file_args(self, path: str) -> dict[str, t.Any]:
        """Owner, group and mode, as the helpers of AnsibleModule take them."""
        return self.module.load_file_common_arguments(self.attributes, path)

    def diff(self) -> dict[str, str]:
        """What `--diff` shows: texts for files, states for the others."""
        labels = {"before_header": self.path, "after_header": self.path}
        if self.content_differs() and self.secret:
            return {**labels, "before": "", "after": "(the new content holds secrets)\n"}
        if self.content_differs():
            return {**labels, "before": (self.old or b"").decode(errors="replace"), "after": (self.new or b"").decode()}
        link = self.wanted == "link"
        before = f"link to {os.readlink(self.path)}" if link and self.found == "link" else self.found
        after = f"link to {self.link_target}" if link else self.wanted
        if before == after:
            after = " ".join(str(self.attributes[name]) for name in ("owner", "group", "mode"))
        return {**labels, "before": f"{before}\n", "after": f"{after}\n"}


def remove(path: str, found: str) -> None:
    if found == "directory":
        shutil.rmtree(path)
    else:
        os.unlink(path)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
                    "content": {"type": "str"},
                    "secret_content": {"type": "str", "no_log": True},
                    "force": {"type": "bool", "default": True},
                    "validate": {"type": "str"},
                    "src": {"type": "str"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str"},
                },
                "required_if": [("state", "file", ["content", "secret_content"], True), ("state", "link", ["src"])],
                "mutually_exclusive": [("content", "secret_content")],
            },
        },
        supports_check_mode=True,
    )
    paths = [options["path"] for options in module.params["files"]]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        module.fail_json(msg=f"files names {', '.join(twice)} more than once")
    changed: list[Entry] = []
    try:
        entries = [Entry(module, options) for options in module.params["files"]]
        for entry in entries:
            entry.check()
        for entry in entries:
            entry.validate()
        # Before they are applied: afterwards there is no "before" to show.
        diffs = {entry.path: entry.diff() for entry in entries}
        changed = [entry for entry in entries if entry.apply()]
    except (HostFilesError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=bool(changed), changed_paths=[entry.path for entry in changed], diff=[diffs[entry.path] for entry in changed])


if __name__ == "__main__":
    main()
