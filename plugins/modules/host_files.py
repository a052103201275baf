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
  - Templates and files of the controller are found as those modules find them. What is larger than 16 kB and no secret is sent only to a host that has
    another content.
  - Everything is read and validated before the first path is changed. Files are replaced atomically.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  files:
    description: The paths, each of them once, and none below a path that is to be something else than a folder.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path. One of this and O(files[].paths) is required.
        type: path
      paths:
        description: Several paths in the place of O(files[].path) that are to be the same, such as folders.
        type: list
        elements: path
      when:
        description: Whether the entry counts. Unlike the C(when) of a task it takes a value, in braces.
        type: bool
        default: true
      state:
        description:
          - V(file) is a regular file with the content of O(files[].template), O(files[].file), O(files[].content) or O(files[].secret_content).
          - V(directory) is a folder. Folders above it that are missing are made, for root and with the mode V(0755).
          - V(link) is a symbolic link to O(files[].src), which need not exist.
          - What is of another kind stays as it is, and is an error. This includes a link in the place of a folder or a file.
          - V(absent) removes the path; of a folder, with all that is in it.
          - V(unused) removes a folder that holds nothing once the other paths are as described, and leaves everything else as it is.
        type: str
        choices: [file, directory, link, absent, unused]
        default: file
      template:
        description: Path of a template on the controller, looked for where M(ansible.builtin.template) does.
        type: str
      template_vars:
        description: Variables for O(files[].template) beside those of the host.
        type: dict
      file:
        description: Path of a text file on the controller, looked for where M(ansible.builtin.copy) does.
        type: str
      files:
        description: Paths of text files on the controller that come below the path, which is a folder, with the names that they have.
        type: list
        elements: path
      tree:
        description:
          - Path of a folder on the controller, looked for as O(files[].file). The path becomes a folder with all the folders and text files that are in it.
            O(files[].mode) is that of the files; what is in the folder beside them stays.
        type: str
      content:
        description: The text of the file. Shown by C(--diff), as that of O(files[].template) and O(files[].file).
        type: str
      secret_content:
        description: As O(files[].content), for a text that holds secrets. Never shown.
        type: str
      secret:
        description: Whether the content, wherever it is from, holds secrets and is never shown.
        type: bool
        default: false
      checksum:
        description: The SHA-256 checksum of the content in its place. For what runs on the controller; the module answers with RV(ignore:lacking).
        type: str
      force:
        description: Whether a file that is there gets the content. With V(false) it keeps its own, and only owner, group and mode are looked at.
        type: bool
        default: true
      backup:
        description: Whether the file that was there is kept beside the one with another content, under its name with a time. RV(backups) tells which.
        type: bool
        default: false
      validate:
        description:
          - Command that must accept the new content before anything is replaced, with C(%s) in the place of a temporary file.
            Split as a shell would, but not run by one.
          - Runs only when the content differs. In check mode not where the command is yet to be installed.
          - What it says is shown, except for O(files[].secret_content).
        type: str
      src:
        description: Where the link leads to.
        type: str
      owner:
        description: Name of the owner, who must be there, or in check mode may be missing still.
        type: str
        default: root
      group:
        description: Name of the group, as of the owner.
        type: str
        default: root
      mode:
        description: The permissions as an octal number of four digits, in quotes. V(0755) for folders and V(0644) for files by default; links have none.
        type: str
"""

EXAMPLES = r"""
- name: Provide the configuration
  mlops.mlflow.host_files:
    files:
      - path: /etc/mlflow
        state: directory
      - path: /etc/mlflow/mlflow.env
        template: mlflow.env.j2
        secret: true
        mode: "0600"
      - path: /etc/mlflow/ca.crt
        file: ca.crt
      - path: /opt/mlflow/current
        state: link
        src: venvs/3.17.2
  notify: Restart MLflow
"""

RETURN = r"""
changed_paths:
  description: The paths that were, or in check mode would be, changed. Of a call that failed half way, those that were changed by then.
  returned: success, and failure while paths are changed
  type: list
  elements: str
  sample: [/etc/mlflow/mlflow.env]
backups:
  description: For each path with O(files[].backup) that got another content, where the former file is. In check mode none.
  returned: success
  type: dict
  sample: {/etc/mlflow/mlflow.env: "/etc/mlflow/mlflow.env.4711.2026-11-29@00:10:00~"}
replaced:
  description:
    - For each file that got another text, an entry for O(files) that brings back what was there before, should the new text turn out not to work.
    - Not for those with O(files[].secret_content).
  returned: success
  type: list
  elements: dict
  sample: [{path: /etc/mlflow/mlflow.env, state: file, content: "A=1\n", owner: root, group: root, mode: "0600"}]
"""

import grp
import hashlib
import os
import pathlib
import pwd
import re
import shlex
import shutil
import stat
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._paths import path_state

DEFAULT_MODES = {"directory": "0755", "file": "0644"}


class HostFilesError(Exception):
    """An entry cannot be brought to its state."""


class Module(AnsibleModule):
    def log(self, msg: str, log_args: dict[str, t.Any] | None = None) -> None:
        """Nothing goes to the system's log: in the list that would be written there, Ansible does not find secrets of more than one line."""


class Attributes(t.NamedTuple):
    """A user or group that is not there has no number, and a link no mode."""

    uid: int | None
    gid: int | None
    mode: int | None

    @classmethod
    def of(cls, path: str) -> Attributes:
        found = os.lstat(path)
        return cls(found.st_uid, found.st_gid, None if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode))

    def set(self, handle: int) -> None:
        # The mode last: it may let others in, and a change of the owner takes bits away.
        os.fchown(handle, t.cast("int", self.uid), t.cast("int", self.gid))
        os.fchmod(handle, t.cast("int", self.mode))


def number_of(find: t.Callable[[str], t.Sequence[t.Any]], name: str) -> int | None:
    """The number of a user or group. Their entries have it in the same place."""
    try:
        return int(name) if name.isdigit() else find(name)[2]
    except KeyError:
        return None


def name_of(find: t.Callable[[int], t.Sequence[t.Any]], number: int) -> str:
    try:
        return find(number)[0]
    except KeyError:
        return str(number)


def parents(path: str) -> list[str]:
    """The folders above the path, the nearest first."""
    return [str(parent) for parent in pathlib.PurePosixPath(path).parents]


class Entry:
    """One path: what is there, what is wanted, and the way between."""

    def __init__(self, module: AnsibleModule, options: dict[str, t.Any]) -> None:
        self.module = module
        self.options = options
        self.path = os.path.normpath(options["path"] or "")
        self.wanted: str = options["state"]
        self.mode: str | None = options["mode"] or DEFAULT_MODES.get(self.wanted)
        self.secret = options["secret_content"] is not None
        self.found = path_state(self.path)
        self.used = True
        self.new: bytes | None = None
        self.old: bytes | None = None
        if self.wanted == "file" and (options["force"] or self.found == "absent"):
            self.old = pathlib.Path(self.path).read_bytes() if self.found == "file" else None
            if options["checksum"]:
                self.new = self.old
            else:
                self.new = (options["secret_content"] if self.secret else options["content"]).encode()

    def lacks_content(self) -> bool:
        """Whether the checksum alone does not tell what to write."""
        checksum = self.options["checksum"]
        return bool(checksum) and (self.options["force"] or self.found == "absent") and hashlib.sha256(self.old or b"").hexdigest() != checksum

    def check(self, states: dict[str, str], folders: set[str]) -> None:
        """Refuse what cannot work, beside the states of all paths and the folders that will be there by then."""
        if not os.path.isabs(self.path) or self.path.strip("/") == "":
            raise HostFilesError(f"{self.options['path'] or 'an empty path'} is not an absolute path of something below /")
        if self.wanted == "unused" and self.found == "directory":
            self.used = any(states.get(os.path.join(self.path, name)) != "absent" for name in os.listdir(self.path))
        if self.wanted in ("absent", "unused"):
            return
        if self.wanted == "link" and self.mode:
            raise HostFilesError(f"{self.path} is to become a link, which has no mode; leave it out")
        if self.mode and not re.fullmatch("0?[0-7]{4}", self.mode):
            raise HostFilesError(f'the mode of {self.path} must be an octal number of four digits in quotes, as "0644", which {self.mode} is not')
        if self.options["validate"] and "%s" not in self.options["validate"]:
            raise HostFilesError(f"validate of {self.path} needs a %s in the place of the file to look at")
        if self.found not in (self.wanted, "absent"):
            raise HostFilesError(f"{self.path} is to become a {self.wanted}, but there is a {self.found}; move it away or choose another path")
        for parent in parents(self.path):
            if states.get(parent, "directory") != "directory":
                raise HostFilesError(f"{self.path} cannot be below {parent}, whose state is to be {states[parent]}")
            if os.path.lexists(parent) and not os.path.isdir(parent):
                raise HostFilesError(f"{self.path} cannot be below {parent}, which is a {path_state(parent)}; move it away or choose another path")
        # What earlier tasks of the same run bring is not there in check mode.
        if self.module.check_mode:
            return
        folder = os.path.dirname(self.path)
        if self.wanted != "directory" and folder not in folders and not os.path.isdir(folder):
            raise HostFilesError(f"{self.path} needs the folder {folder}; name it before, with the state directory")
        for kind, number in (("owner", self.attributes().uid), ("group", self.attributes().gid)):
            if number is None:
                raise HostFilesError(f"the {kind} of {self.path}, {self.options[kind]}, does not exist on this host")

    def attributes(self) -> Attributes:
        mode = int(self.mode, 8) if self.mode else None
        return Attributes(number_of(pwd.getpwnam, self.options["owner"]), number_of(grp.getgrnam, self.options["group"]), mode)

    def content_differs(self) -> bool:
        return self.new is not None and self.new != self.old

    def validate(self) -> None:
        """Have the new content accepted by the command that was given for it."""
        if not self.options["validate"] or not self.content_differs():
            return
        handle, candidate = tempfile.mkstemp(dir=self.module.tmpdir)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.new or b"")
            words = [word.replace("%s", candidate) for word in shlex.split(self.options["validate"])]
            status, out, err = self.module.run_command(words, expand_user_and_vars=False, handle_exceptions=False)
        except FileNotFoundError as exc:
            if self.module.check_mode:
                return
            raise HostFilesError(f"{self.path} cannot be validated, so nothing was changed: there is no {words[0]}") from exc
        finally:
            os.unlink(candidate)
        if status:
            said = "(what was said is not shown, as it may hold secrets)" if self.secret else (err or out).strip().replace(candidate, self.path)
            raise HostFilesError(f"{self.path} would not be valid, so nothing was changed: {said}")

    def apply(self) -> bool:
        """Bring the path to its state; says whether it was, or in check mode would be, another one."""
        if self.wanted == "absent":
            if not self.module.check_mode:
                remove(self.path)
            return self.found != "absent"
        if self.wanted == "unused":
            if not self.used and not self.module.check_mode:
                os.rmdir(self.path)
            return not self.used
        changed = self.content_differs() or self.found == "absent" or (self.wanted == "link" and os.readlink(self.path) != self.options["src"])
        if self.module.check_mode:
            return changed or self.attributes() != Attributes.of(self.path)
        if changed:
            self.write()
        if self.attributes() == Attributes.of(self.path):
            return changed
        if self.wanted == "link":
            os.chown(self.path, t.cast("int", self.attributes().uid), t.cast("int", self.attributes().gid), follow_symlinks=False)
        else:
            # By its handle: who owns the folder could put a link there meanwhile.
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                self.attributes().set(handle)
            finally:
                os.close(handle)
        return True

    def write(self) -> None:
        if self.wanted == "directory":
            # It may be there by now: made for one of the entries before.
            os.makedirs(self.path, exist_ok=True)
        elif self.wanted == "link":
            spare = os.path.join(os.path.dirname(self.path), f".host_files.{os.getpid()}")
            os.symlink(self.options["src"], spare)
            os.rename(spare, self.path)
        elif self.new is not None:
            # Not Ansible's atomic_move: it opens a new file to everybody for a moment, and what it raises depends on the release of Ansible.
            handle, spare = tempfile.mkstemp(prefix=".host_files.", dir=os.path.dirname(self.path))
            self.module.add_cleanup_file(spare)
            with os.fdopen(handle, "wb") as file:
                file.write(self.new)
                self.attributes().set(handle)
            os.rename(spare, self.path)

    def before(self) -> dict[str, t.Any]:
        """The entry that undoes this one."""
        if self.found == "absent":
            return {"path": self.path, "state": "absent"}
        found = Attributes.of(self.path)
        owner, group = name_of(pwd.getpwuid, t.cast("int", found.uid)), name_of(grp.getgrgid, t.cast("int", found.gid))
        content = (self.old or b"").decode(errors="replace")
        return {"path": self.path, "state": "file", "content": content, "owner": owner, "group": group, "mode": f"{found.mode:04o}"}

    def diff(self) -> dict[str, str]:
        """What `--diff` shows: texts where they differ, else kinds and attributes."""
        labels = {"before_header": self.path, "after_header": self.path}
        if self.content_differs() and self.secret:
            return {**labels, "before": "", "after": "(the new content holds secrets)\n"}
        if self.content_differs():
            return {**labels, "before": (self.old or b"").decode(errors="replace"), "after": (self.new or b"").decode()}
        before = after = ["absent"]
        if self.found != "absent":
            found = Attributes.of(self.path)
            before = [self.found, name_of(pwd.getpwuid, t.cast("int", found.uid)), name_of(grp.getgrgid, t.cast("int", found.gid))]
            before.append(f"to {os.readlink(self.path)}" if found.mode is None else f"{found.mode:04o}")
        if self.wanted not in ("absent", "unused"):
            after = [self.wanted, self.options["owner"], self.options["group"], self.mode or f"to {self.options['src']}"]
        return {**labels, "before": f"{' '.join(before)}\n", "after": f"{' '.join(after)}\n"}


def remove(path: str) -> None:
    found = path_state(path)
    if found == "directory":
        shutil.rmtree(path)
    elif found != "absent":
        os.unlink(path)


def back_up(module: AnsibleModule, paths: list[str]) -> dict[str, str]:
    """Copy files before anything is changed. The copy has the mode of the file at last, and is closed until then."""
    if module.check_mode:
        return {}
    umask = os.umask(0o077)
    try:
        return {path: module.backup_local(path) for path in paths}
    finally:
        os.umask(umask)


def main() -> t.NoReturn:
    module = Module(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path"},
                    # These are for the action plugin, which sends none of them.
                    **{name: {"type": kind} for name, kind in (("template", "str"), ("template_vars", "dict"), ("file", "str"), ("tree", "str"))},
                    **{name: {"type": "list", "elements": "path"} for name in ("paths", "files")},
                    "secret": {"type": "bool", "default": False},
                    "when": {"type": "bool", "default": True},
                    "state": {"type": "str", "choices": ["file", "directory", "link", "absent", "unused"], "default": "file"},
                    "content": {"type": "str"},
                    "secret_content": {"type": "str", "no_log": True},
                    "checksum": {"type": "str"},
                    "force": {"type": "bool", "default": True},
                    "backup": {"type": "bool", "default": False},
                    "validate": {"type": "str"},
                    "src": {"type": "str"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str"},
                },
                "required_if": [("state", "file", ["content", "secret_content", "checksum"], True), ("state", "link", ["src"])],
                "mutually_exclusive": [("content", "secret_content", "checksum")],
            },
        },
        supports_check_mode=True,
    )
    # Whatever hardening says of new files: the folders above those in the list are open to all.
    os.umask(0o022)
    changed: list[Entry] = []
    try:
        entries = [Entry(module, options) for options in module.params["files"]]
        lacking = [entry.options["path"] for entry in entries if entry.wanted == "file" and entry.lacks_content()]
        if lacking:
            module.exit_json(changed=False, lacking=lacking)
        paths = [entry.path for entry in entries]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise HostFilesError(f"files names {', '.join(twice)} more than once")
        folders: set[str] = set()
        for entry in entries:
            entry.check({other.path: other.wanted for other in entries}, folders)
            if entry.wanted == "directory":
                folders.update([entry.path, *parents(entry.path)])
        for entry in entries:
            entry.validate()
        # Before they are applied: afterwards there is no "before" to show.
        diffs = {entry.path: entry.diff() for entry in entries}
        replaced = [entry.before() for entry in entries if entry.content_differs() and not entry.secret]
        backups = back_up(module, [entry.path for entry in entries if entry.options["backup"] and entry.content_differs() and entry.found == "file"])
        for entry in entries:
            if entry.apply():
                changed.append(entry)
    except (HostFilesError, OSError, ValueError) as exc:
        module.fail_json(msg=str(exc), changed=bool(changed), changed_paths=[entry.options["path"] for entry in changed])
    # Ansible shows what it is given, also for a task that says `diff: false`.
    shown = {"diff": [diffs[entry.path] for entry in changed]} if module._diff else {}
    module.exit_json(changed=bool(changed), changed_paths=[entry.options["path"] for entry in changed], backups=backups, replaced=replaced, **shown)


if __name__ == "__main__":
    main()
