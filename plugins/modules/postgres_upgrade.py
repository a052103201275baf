#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_upgrade
short_description: Move a PostgreSQL cluster of Debian to another major version, with a way back
version_added: 1.0.0
description:
  - Runs C(pg_upgradecluster), which makes the new cluster from a dump, and compares all that both hold. Roles, databases, objects, a digest of the rows of
    each table, and sequences. The tool itself does not tell when something could not be restored.
  - The new cluster then takes port, settings and systemd drop-ins of the old one, which stays with its data, stopped, on another port, and is not started
    at boot.
  - Whatever fails, the old cluster serves again as it did. A run that was broken off is undone by the next one.
  - Clients are cut off from the moment the tool stops the old cluster. Stop them first, so that they do not fail.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  cluster:
    description: Name of the cluster.
    type: str
    default: main
  from_version:
    description:
      - Major version of the old cluster. Without it, the one that has the data.
      - With O(state=dropped), the cluster to drop.
    type: str
    default: ""
  to_version:
    description: Major version to move to. Its packages must be installed, unless in check mode.
    type: str
    required: true
  state:
    description:
      - V(upgraded) has O(to_version) serve.
      - V(back) has O(from_version) serve again. What was written to the newer cluster since stays in that, which is kept in the same way; it is dropped
        if nothing was written.
      - V(dropped) removes a cluster of O(from_version) that was kept, with its data.
    type: str
    choices: [upgraded, back, dropped]
    default: upgraded
  spare_mb:
    description: How much room must be left beside the size of the databases, for the files of the new cluster, in MB.
    type: int
    default: 1024
"""

EXAMPLES = r"""
- name: Move the cluster main to PostgreSQL 17
  mlops.mlflow.postgres_upgrade:
    to_version: "17"

- name: Go back
  mlops.mlflow.postgres_upgrade:
    from_version: "15"
    to_version: "17"
    state: back
"""

RETURN = r"""
from_version:
  description: Version of the old cluster; empty where the new one has the data already.
  returned: success
  type: str
plan:
  description:
    - What would be moved. C(databases) with their sizes in bytes, C(sessions) of clients, the C(port), C(needed_mb) and C(free_mb).
    - Only C(resumed) where an earlier run was broken off.
  returned: with O(state=upgraded), when something is to be done
  type: dict
  sample: {databases: {mlflow: 81234567}, sessions: 4, port: 5432, needed_mb: 1101, free_mb: 52000, resumed: false}
seconds:
  description: How long it took, during which no client could be served.
  returned: when something was done
  type: float
newer_dropped:
  description: Whether the newer cluster was dropped, as nothing was written to it.
  returned: with O(state=back), outside check mode
  type: bool
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._postgres_cluster import ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._postgres_upgrade import Upgrade, UpgradeError, check_dropped


def upgrade(module: AnsibleModule, change: Upgrade) -> dict[str, t.Any]:
    if change.is_done:
        return {"changed": False}
    plan = change.check() if module.check_mode else change.upgrade()
    before = f"{change.old} has the data and serves.\n" + "".join(f"{name}: {size} bytes\n" for name, size in sorted(plan.get("databases", {}).items()))
    after = f"{change.new} has the data and serves. {change.old} is kept, stopped.\n"
    if plan["resumed"]:
        before = f"A move of {change.old} was broken off. It is undone or brought to its end first.\n"
    return {"changed": True, "plan": plan, "diff": {"before": before, "after": after}}


def back(module: AnsibleModule, change: Upgrade) -> dict[str, t.Any]:
    if not change.record and change.old.exists and change.old.server:
        return {"changed": False}
    result: dict[str, t.Any] = {"changed": True, "diff": {"before": f"{change.new} serves.\n", "after": f"{change.old} serves.\n"}}
    if not module.check_mode:
        result["newer_dropped"] = change.back()
    return result


def dropped(module: AnsibleModule, change: Upgrade) -> dict[str, t.Any]:
    cluster = change.old
    if not cluster.exists:
        return {"changed": False}
    check_dropped(cluster)
    if not module.check_mode:
        cluster.drop()
    return {"changed": True, "diff": {"before": f"{cluster} is kept.\n", "after": ""}}


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "default": "main"},
            "from_version": {"type": "str", "default": ""},
            "to_version": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["upgraded", "back", "dropped"], "default": "upgraded"},
            "spare_mb": {"type": "int", "default": 1024},
        },
        required_if=[("state", "back", ["from_version"]), ("state", "dropped", ["from_version"])],
        supports_check_mode=True,
    )
    asked = module.params
    started = time.monotonic()
    try:
        change = Upgrade(module.run_command, asked["cluster"], asked["from_version"], asked["to_version"], asked["spare_mb"])
        result = {"upgraded": upgrade, "back": back, "dropped": dropped}[asked["state"]](module, change)
    except (UpgradeError, ClusterError, OSError, ValueError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result, from_version=change.old.version, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
