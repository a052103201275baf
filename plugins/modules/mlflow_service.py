#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_service
short_description: Run MLflow's systemd units with the files that are there, and go back to the former ones when it does not serve
version_added: 1.0.0
description:
  - Restarts the units when one of them does not run or is older than the files it reads, and asks each of them for MLflow's version and for
    something that is in the database.
  - Waits only while the server lives. The error ends with the server's own last lines, without values of secret environment variables and
    passwords of addresses.
  - The files of a server that served are kept. When others do not come up, those are put back and started, and the module fails with what was wrong.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
  - mlops.mlflow._mlflow_service
options:
  state:
    description:
      - V(started) is a server that serves with the files that are there.
      - V(stopped) is for a change of the database. Should the run end without bringing the server back, systemd starts it after O(resume_after).
      - V(resumed) starts what V(stopped) has stopped, without asking whether it serves.
    type: str
    choices: [started, stopped, resumed]
    default: started
  kept_file:
    description: Where O(files) are kept, readable for root only. Without it, there is no way back.
    type: path
  revert:
    description: Whether the former files may be put back. They may not after a change of the database that they do not fit.
    type: bool
    default: true
  resume_after:
    description: Seconds until systemd starts a server that was stopped. More than the change of the database may take.
    type: int
    default: 3600
  pause:
    description:
      - Seconds to wait once a restarted server serves. For servers that are restarted one after the other behind a reverse proxy, which sends nothing to
        one that was down until it has tried it again.
    type: int
    default: 0
requirements:
  - systemd
"""

EXAMPLES = r"""
- name: Run what is written
  mlops.mlflow.mlflow_service:
    units:
      - name: mlflow.service
        port: 5000
    version: 3.17.2
    files: [/etc/systemd/system/mlflow.service, /etc/mlflow/mlflow.env, /opt/mlflow/current]
    kept_file: /etc/mlflow/mlflow.proven.tar
    environment_files: [/etc/mlflow/mlflow.env]

- name: Stop the server for a quarter of an hour at most
  mlops.mlflow.mlflow_service:
    state: stopped
    units:
      - name: mlflow.service
    resume_after: 900
"""

RETURN = r"""
restarted:
  description: The units that were started or restarted, or would be in check mode.
  returned: success with O(state=started)
  type: list
  elements: str
  sample: [mlflow.service]
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_service import (
    ARGUMENTS,
    KeptFiles,
    Service,
    ServiceError,
    due_units,
    is_due,
    secret_values,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._systemd import SystemdError


def start(module: AnsibleModule, service: Service) -> dict[str, t.Any]:
    asked = module.params
    kept = KeptFiles(asked["kept_file"], asked["files"]) if asked["kept_file"] else None
    states = service.states(asked["files"])
    due = due_units(states, service.names)
    changed = is_due(states, service.names, kept is None or kept.exists())
    if changed and not module.check_mode:
        run(module, service, kept, due, states[service.names[0]]["enabled"])
    return {"changed": changed, "restarted": due, "diff": difference(due, "does not run, or with former files", "runs with the files that are there")}


def difference(names: list[str], before: str, after: str) -> dict[str, str]:
    return {"before": "".join(f"{name} {before}\n" for name in names), "after": "".join(f"{name} {after}\n" for name in names)}


def run(module: AnsibleModule, service: Service, kept: KeptFiles | None, due: list[str], enabled: bool) -> None:
    hide_secrets(module)
    try:
        if not enabled:
            service.enable()
        service.restart_and_prove(due)
    except ServiceError as failure:
        raise ServiceError(f"{failure}\n{go_back(module, service, kept)}") from None
    service.disarm()
    if kept:
        kept.keep(service.proof)
    time.sleep(module.params["pause"])


def hide_secrets(module: AnsibleModule) -> None:
    """Nothing that the module returns holds one of them."""
    module.no_log_values.update(secret_values(module.params["environment_files"], module.params["login_file"]))


def go_back(module: AnsibleModule, service: Service, kept: KeptFiles | None) -> str:
    """Run the former files, and say how that went."""
    if not module.params["revert"]:
        return "This run has changed the database, which the former files do not fit, so these stay. Mend the cause and run again."
    if kept is None or not kept.exists():
        return "No former files are kept with which the server has served, so these stay. Mend the cause and run again."
    if not kept.differ():
        return "With the same files the server has served before, so the cause is elsewhere."
    try:
        former = Service(module.run_command, kept.read()[0], module.params["timeout"])
        service.stop_others(former.names)
        kept.put_back()
        hide_secrets(module)
        former.restart_and_prove(former.names)
        former.disarm()
    except (ServiceError, OSError) as failure:
        return f"The former files were put back, but the server does not serve with them either: {failure}"
    return "The former files were put back, and the server serves again with them."


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "state": {"type": "str", "choices": ["started", "stopped", "resumed"], "default": "started"},
            "kept_file": {"type": "path"},
            "revert": {"type": "bool", "default": True},
            "resume_after": {"type": "int", "default": 3600},
            "pause": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    asked = module.params
    if not asked["units"]:
        module.fail_json(msg="units must name one at least")
    service = Service(module.run_command, asked, asked["timeout"])
    try:
        if asked["state"] == "started":
            result = start(module, service)
        elif asked["state"] == "stopped":
            changed = service.stop(asked["resume_after"], module.check_mode)
            result = {"changed": changed, "diff": difference(service.names if changed else [], "runs", "is stopped")}
        else:
            changed = service.resume(module.check_mode)
            result = {"changed": changed, "diff": difference(service.names if changed else [], "is stopped", "runs")}
    except (ServiceError, SystemdError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
