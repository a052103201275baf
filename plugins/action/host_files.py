# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

# What is larger travels only to hosts that have another content.
SMALL = 16384
SOURCES = ("content", "secret_content", "template", "file", "files", "tree")


class ActionModule(ActionBase):
    """Renders and reads on the controller what the module writes on the host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        files = self._task.args.get("files")
        if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
            return {"failed": True, "msg": "files must be a list of entries, each with a path"}
        try:
            entries = [part for entry in files for part in self.parts(entry, variables)]
        # As the module answers: what is raised, `failed_when` does not get to see.
        except (AnsibleError, OSError, ValueError) as exc:
            return {"failed": True, "msg": str(exc)}
        arguments = {name: value for name, value in self._task.args.items() if name != "files"}
        light = [with_checksum(entry) for entry in entries]
        result = self._execute_module(module_args={**arguments, "files": light}, task_vars=variables)
        lacking = result.pop("lacking", [])
        if not lacking:
            return result
        whole = [entry if entry.get("path") in lacking else spared for entry, spared in zip(entries, light, strict=True)]
        return self._execute_module(module_args={**arguments, "files": whole}, task_vars=variables)

    def parts(self, entry: dict[str, t.Any], variables: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
        """The entries of the module that one of the task stands for."""
        entry = dict(entry)
        if not boolean(entry.pop("when", True)):
            return
        sources = [name for name in SOURCES if entry.get(name) is not None]
        if len(sources) > 1:
            raise ValueError(f"{entry.get('path')} takes its content from one place, not from {' and '.join(sources)}")
        secret = boolean(entry.pop("secret", False))
        template_vars = entry.pop("template_vars", None) or {}
        template, file, files, tree = (entry.pop(name, None) for name in ("template", "file", "files", "tree"))
        paths = entry.pop("paths", None)
        if paths is not None and ("path" in entry or sources):
            raise ValueError("paths names folders, links or what is to be absent; it goes with neither path nor a content")
        if tree is not None:
            yield from self.tree(entry, tree)
            return
        if files is not None:
            for name in files:
                yield {**entry, "path": os.path.join(str(entry["path"]), os.path.basename(name)), "content": self.read(name)}
            return
        if entry.get("state", "file") == "file":
            if template is not None:
                entry["content"] = self.rendered(template, template_vars, variables)
            elif file is not None:
                entry["content"] = self.read(file)
            if secret and "content" in entry:
                entry["secret_content"] = entry.pop("content")
        for path in [entry.get("path")] if paths is None else paths:
            yield {**entry, "path": path}

    def tree(self, entry: dict[str, t.Any], name: str) -> t.Iterator[dict[str, t.Any]]:
        """A folder of the controller with all that is in it. Only files get the mode of the entry."""
        root = self._find_needle("files", name)
        owners = {key: value for key, value in entry.items() if key in ("owner", "group")}
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - {"__pycache__"})
            target = os.path.normpath(os.path.join(str(entry["path"]), os.path.relpath(folder, root)))
            yield {**owners, "path": target, "state": "directory"}
            for file in sorted(files):
                yield {**entry, "path": os.path.join(target, file), "content": self.read(os.path.join(folder, file))}

    def rendered(self, name: str, template_vars: dict[str, t.Any], variables: dict[str, t.Any]) -> str:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return lookup.run([name], variables=variables, template_vars=template_vars)[0]

    def read(self, name: str) -> str:
        return self._loader.get_text_file_contents(self._find_needle("files", name))


def with_checksum(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """The entry with the checksum in the place of a large content that may be shown: of a secret one, it would tell who guesses that he is right."""
    content = entry.get("content")
    if not isinstance(content, str) or len(content) <= SMALL:
        return entry
    return {**{key: value for key, value in entry.items() if key != "content"}, "checksum": hashlib.sha256(content.encode()).hexdigest()}
