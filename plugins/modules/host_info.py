#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: What a role wants to know of a Debian or Ubuntu host, in one round trip
version_added: 1.0.0
description:
  - Answers what roles ask before they change anything. Which packages are missing, who listens on a port, how much disk is free, what is at a path.
  - One call instead of one for each question.
  - It is for Debian and its derivatives with systemd. Packages are asked of C(dpkg).
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  packages:
    description: Names of Debian packages.
    type: list
    elements: str
    default: []
  users:
    description: Names of users.
    type: list
    elements: str
    default: []
  groups:
    description: Names of groups.
    type: list
    elements: str
    default: []
  services:
    description: Names of systemd units, with their suffix.
    type: list
    elements: str
    default: []
  service_files:
    description: For units among O(services), absolute paths of files that they read when they start. A file that is missing does not count.
    type: dict
    default: {}
  ports:
    description: TCP ports.
    type: list
    elements: int
    default: []
  paths:
    description: Absolute paths.
    type: list
    elements: path
    default: []
  disks:
    description: Absolute paths, which need not exist, whose disks are asked for free space.
    type: list
    elements: path
    default: []
  pythons:
    description: Python interpreters, paths or names on C(PATH).
    type: list
    elements: str
    default: []
  addresses:
    description: TCP addresses as C(host:port), an IPv6 address in brackets, that should answer.
    type: list
    elements: str
    default: []
  connect_timeout:
    description: How long to wait for each of O(addresses), in seconds.
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- name: Look at the host
  mlops.mlflow.host_info:
    packages: [nginx, openssl]
    services: [nginx.service]
    ports: [80, 443]
    disks: [/var/lib]
  register: host

- name: Install what is missing
  ansible.builtin.apt:
    name: "{{ host.missing_packages }}"
  when: host.missing_packages | length > 0
"""

RETURN = r"""
missing_packages:
  description: Those of O(packages) that are not installed, in their order.
  returned: success
  type: list
  elements: str
  sample: [openssl]
users:
  description: For each of O(users) its C(uid), its primary C(group), all its C(groups), C(home) and C(shell); null where there is none.
  returned: success
  type: dict
  sample: {mlflow: {uid: 998, group: mlflow, groups: [mlflow], home: /var/lib/mlflow, shell: /usr/sbin/nologin}}
groups:
  description: For each of O(groups) its number; null where there is none.
  returned: success
  type: dict
  sample: {mlflow: 998}
services:
  description:
    - For each of O(services) whether it is C(loaded) (known to systemd), C(active) and C(enabled), its C(main_pid) (0 without one),
      the number of its user as C(uid) (null where systemd does not tell), and whether it is C(outdated) - active, and started before one of its
      O(service_files) was written, so that it runs with something else than what the files say.
    - Enabled is what starts at boot, by a link of its own, by a generator or by an alias.
  returned: success
  type: dict
  sample: {nginx.service: {loaded: true, active: true, enabled: true, main_pid: 812, uid: null, outdated: false}}
listeners:
  description:
    - Who listens on O(ports), a line for each socket. The numeric C(address), the C(port), the C(uid) and C(user) that own it, and,
      where the system lets the module see it, the C(pid), the name of the C(process) and the systemd unit of it as C(service), else null.
    - In a container the C(service) may be seen where the other two cannot.
  returned: success
  type: list
  elements: dict
  sample: [{address: 0.0.0.0, port: 443, uid: 0, user: root, pid: 812, process: nginx, service: nginx.service}]
paths:
  description: For each of O(paths) V(absent), V(file), V(directory), V(link) or V(other).
  returned: success
  type: dict
  sample: {/etc/nginx: directory}
disks:
  description: For each of O(disks) what is free for users that are not root, in MB of 2^20 bytes.
  returned: success
  type: dict
  sample: {/var/lib: 20480}
disks_used:
  description: For each of O(disks) how much of what users that are not root may fill is used, in percent, as C(df) says it.
  returned: success
  type: dict
  sample: {/var/lib: 42}
pythons:
  description: For each of O(pythons) its version; null where there is none, or one that does not run.
  returned: success
  type: dict
  sample: {python3: "3.11"}
unanswered:
  description: Those of O(addresses) that do not answer, with the reason.
  returned: success
  type: dict
  sample: {"db.example.com:5432": "Connection refused"}
"""

import glob
import grp
import ipaddress
import os
import pwd
import re
import shutil
import socket
import sys
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._paths import path_state
from ansible_collections.mlops.mlflow.plugins.module_utils._systemd import SystemdError, unit_states

LISTENING = "0A"  # as /proc/net/tcp has it
# A name, an IPv4 address, or an IPv6 address in brackets; and a port.
ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")


class HostInfoError(Exception):
    """A question cannot be answered."""


def missing_packages(module: AnsibleModule, names: list[str]) -> list[str]:
    if not names:
        return []
    # It exits with 1 when one of the names is unknown to it, and still tells of the others.
    status, out, err = module.run_command(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package} ${Package}:${Architecture}\n", "--", *names])
    if status > 1:
        raise HostInfoError(f"cannot ask for packages: {err.strip()}")
    # Either name may be asked for.
    installed = {name for line in out.splitlines() if line.startswith(("ii", "hi")) for name in line.split()[1:]}
    return [name for name in names if name not in installed]


def user(name: str) -> dict[str, t.Any] | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    numbers = os.getgrouplist(name, entry.pw_gid)
    return {"uid": entry.pw_uid, "group": group_name(entry.pw_gid), "groups": [group_name(n) for n in numbers], "home": entry.pw_dir, "shell": entry.pw_shell}


def group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def address_of(digits: str) -> str:
    """The address that /proc writes as host-order words of 4 bytes."""
    words = [bytes.fromhex(digits[start : start + 8]) for start in range(0, len(digits), 8)]
    return str(ipaddress.ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)))


def listeners(module: AnsibleModule, ports: list[int]) -> list[dict[str, t.Any]]:
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6") if ports else ():
        if not os.path.exists(table):
            continue
        with open(table) as lines:
            rows = [line.split() for line in list(lines)[1:]]
        for row in rows:
            address, port = row[1].split(":")
            if row[3] == LISTENING and int(port, 16) in ports:
                found.append({"address": address_of(address), "port": int(port, 16), "uid": int(row[7]), "inode": row[9]})
    holders = processes_of({listener["inode"] for listener in found})
    units = {} if all(listener["inode"] in holders for listener in found) else units_of_sockets(module)
    for listener in found:
        try:
            listener["user"] = pwd.getpwuid(listener["uid"]).pw_name
        except KeyError:
            listener["user"] = str(listener["uid"])
        inode = listener.pop("inode")
        listener.update(holders.get(inode, {"pid": None, "process": None, "service": units.get(inode)}))
    return found


def processes_of(inodes: set[str]) -> dict[str, dict[str, t.Any]]:
    """The process that holds each of the sockets, as far as it may be seen."""
    holders: dict[str, dict[str, t.Any]] = {}
    for link in glob.glob("/proc/[0-9]*/fd/*") if inodes else ():
        try:
            kind, _colon, inode = os.readlink(link)[:-1].partition(":[")
            if kind == "socket" and inode in inodes and inode not in holders:
                pid = link.split("/")[2]
                with open(f"/proc/{pid}/comm") as name, open(f"/proc/{pid}/cgroup") as cgroups:
                    unit = re.search(r"/([^/\n]+\.service)$", cgroups.read(), re.MULTILINE)
                    holders[inode] = {"pid": int(pid), "process": name.read().strip(), "service": unit.group(1) if unit else None}
        except OSError:
            continue
    return holders


def units_of_sockets(module: AnsibleModule) -> dict[str, str]:
    """The service of each listening socket, from the control group it was made in: in a container, root may not look into the processes of other users."""
    program = module.get_bin_path("ss")
    if program is None:
        return {}
    _status, out, _err = module.run_command([program, "--no-header", "--oneline", "--listening", "--tcp", "--numeric", "--extended", "--cgroup"])
    return dict(re.findall(r" ino:([0-9]+) .*? cgroup:\S*/([^/\s]+\.service)(?=\s|$)", out))


def disk(path: str) -> os.statvfs_result:
    path = os.path.realpath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return os.statvfs(path)


def used_percent(usage: os.statvfs_result) -> int:
    """Rounded up, as df does."""
    used = usage.f_blocks - usage.f_bfree
    return -(-100 * used // max(used + usage.f_bavail, 1))


def is_address(address: str) -> bool:
    parts = ADDRESS.fullmatch(address)
    return parts is not None and 0 < int(parts["port"]) < 2**16


def python_version(module: AnsibleModule, name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    if os.path.realpath(path) == os.path.realpath(sys.executable):
        return f"{sys.version_info[0]}.{sys.version_info[1]}"
    status, out, _err = module.run_command([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    return out.strip() if status == 0 else None


def unanswered(addresses: list[str], timeout: float) -> dict[str, str]:
    reasons = {}
    for address in addresses:
        parts = t.cast("re.Match[str]", ADDRESS.fullmatch(address))
        try:
            socket.create_connection((parts["ipv6"] or parts["name"], int(parts["port"])), timeout).close()
        # The second: a name that no DNS can hold.
        except (OSError, UnicodeError) as exc:
            reasons[address] = getattr(exc, "strerror", None) or str(exc)
    return reasons


def main() -> t.NoReturn:
    lists = {name: {"type": "list", "elements": "str", "default": []} for name in ("packages", "users", "groups", "services", "pythons", "addresses")}
    module = AnsibleModule(
        argument_spec={
            **lists,
            "service_files": {"type": "dict", "default": {}},
            "ports": {"type": "list", "elements": "int", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "disks": {"type": "list", "elements": "path", "default": []},
            "connect_timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    asked = module.params
    wrong = [address for address in asked["addresses"] if not is_address(address)]
    if wrong:
        module.fail_json(msg=f"addresses must be host:port, with an IPv6 address in brackets, which {', '.join(wrong)} is not")
    wrong = [path for path in asked["paths"] + asked["disks"] if not os.path.isabs(path)]
    if wrong:
        module.fail_json(msg=f"paths and disks must be absolute paths, which {', '.join(wrong)} is not")
    if asked["connect_timeout"] <= 0:
        module.fail_json(msg="connect_timeout must be more than 0 seconds")
    try:
        disks = {path: disk(path) for path in asked["disks"]}
        answers = {
            "missing_packages": missing_packages(module, asked["packages"]),
            "users": {name: user(name) for name in asked["users"]},
            "groups": {name: group(name) for name in asked["groups"]},
            "services": unit_states(module.run_command, asked["services"], asked["service_files"]),
            "listeners": listeners(module, asked["ports"]),
            "paths": {path: path_state(path) for path in asked["paths"]},
            "disks": {path: usage.f_bavail * usage.f_frsize // 2**20 for path, usage in disks.items()},
            "disks_used": {path: used_percent(usage) for path, usage in disks.items()},
            "pythons": {name: python_version(module, name) for name in asked["pythons"]},
            "unanswered": unanswered(asked["addresses"], asked["connect_timeout"]),
        }
    except (HostInfoError, SystemdError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **answers)


if __name__ == "__main__":
    main()
