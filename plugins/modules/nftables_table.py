#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_table
short_description: Keep one table of nftables in the kernel as a text describes it
version_added: 1.0.0
description:
  - Asks the kernel what the table is like, and loads the text when that is something else. Other tables are left alone.
  - What the text means is found out in an empty network namespace, so that every rule that somebody changed by hand is found.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
requirements:
  - nft and unshare on the host
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  name:
    description: The name of the table, of the family C(inet).
    type: str
    required: true
  content:
    description: The commands for C(nft) that replace the table, as P(mlops.mlflow.nftables_table#filter) makes them. Required for O(state=present).
    type: str
  state:
    description: Whether there is such a table.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Have the table in force
  mlops.mlflow.nftables_table:
    name: database
    content: "{{ [{'port': 5432, 'sources': ['10.0.0.5']}] | mlops.mlflow.nftables_table('database') }}"
"""

RETURN = r"""#"""

from ansible.module_utils.basic import AnsibleModule

# Loads standard input into a network namespace of its own, and prints what became of it.
TRIAL = 'nft --file - && exec nft --stateless list table inet "$0"'
HINT = "Loading tables needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN, which a container may lack."


class NftError(Exception):
    """nft does not do as it is told."""


def nft(module: AnsibleModule, argv: list[str], content: str = "") -> str:
    status, stdout, stderr = module.run_command(argv, data=content, environ_update={"LC_ALL": "C"})
    if status:
        raise NftError(stderr.strip() or stdout.strip())
    return stdout


def in_force(module: AnsibleModule, name: str) -> str:
    try:
        return nft(module, ["nft", "--stateless", "list", "table", "inet", name])
    except NftError as exc:
        if "No such file or directory" in str(exc):
            return ""
        raise


def bring(module: AnsibleModule, name: str, content: str) -> dict[str, object]:
    before = in_force(module, name)
    after = nft(module, ["unshare", "--net", "sh", "-c", TRIAL, name], content) if content else ""
    if before != after and not module.check_mode:
        nft(module, ["nft", "--file", "-"], content or f"delete table inet {name}\n")
        after = in_force(module, name)
    return {"changed": before != after, "diff": {"before": before, "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "content": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("content",))],
        supports_check_mode=True,
    )
    name, content = module.params["name"], module.params["content"] if module.params["state"] == "present" else ""
    if not module.get_bin_path("nft"):
        # Yet to be installed, or never there.
        if content and not module.check_mode:
            module.fail_json(msg="nft is missing: install the package nftables")
        module.exit_json(changed=bool(content), diff={"before": "", "after": content})
    try:
        module.exit_json(**bring(module, name, content))
    except NftError as exc:
        module.fail_json(msg=f"cannot look at or load the table inet {name}: {exc} {HINT if 'not permitted' in str(exc) else ''}".strip())


if __name__ == "__main__":
    main()
