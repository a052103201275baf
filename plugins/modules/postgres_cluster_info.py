#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_cluster_info
short_description: What a PostgreSQL cluster of Debian runs with, beside what its files say
version_added: 1.0.0
description:
  - Asks the running server itself, by C(psql) as the system user C(postgres), in one round trip.
  - Says which files it has not read since they changed, which settings wait for a restart, which settings are decided by another file,
    and whether it shows the certificate that it should.
  - A cluster that is not there, or does not run, is an answer and no error.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  version:
    description: Major version of the cluster.
    type: str
    required: true
  cluster:
    description: Name of the cluster.
    type: str
    default: main
  settings:
    description: The settings that should be in force, by name.
    type: dict
    default: {}
  settings_file:
    description: The name of the file in the cluster's C(conf.d) that holds O(settings), and may be yet to be written.
    type: str
    default: 50-mlops.conf
  certificate_file:
    description: The certificate that the server should show, in PEM. The first of the file counts.
    type: path
  files:
    description: Files that the server reads when it is reloaded.
    type: list
    elements: path
    default: []
  start_files:
    description: Files that count from the next start on.
    type: list
    elements: path
    default: []
  wait:
    description: How long to wait for a server that is to read its files, in seconds.
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: Look at the cluster
  mlops.mlflow.postgres_cluster_info:
    version: "17"
    settings: {max_connections: 200}
    files: [/etc/postgresql/17/main/pg_hba.conf]
  register: cluster

- name: Reload it
  ansible.builtin.systemd_service:
    name: postgresql@17-main.service
    state: reloaded
  when: cluster.unread | length > 0
"""

RETURN = r"""
exists:
  description: Whether there is such a cluster.
  returned: success
  type: bool
made_by_role:
  description: Whether the role C(postgres) made it; else it was there before, with rules and settings of others.
  returned: success
  type: bool
elsewhere:
  description:
    - Another major version whose cluster of this name has the data, such as one that was not moved to O(version) yet, or not to the end;
      empty where there is none.
  returned: success
  type: str
running:
  description: Whether its server runs.
  returned: success
  type: bool
silent:
  description: Why the running server does not answer; empty where it does.
  returned: success
  type: str
port:
  description: The port of the running server; 0 without one.
  returned: success
  type: int
data_directory:
  description: Where the data is; empty without a cluster.
  returned: success
  type: str
hba_file:
  description: The client rules that the running server reads.
  returned: success
  type: str
other_rules:
  description: The text of the C(pg_hba.conf) that is there, without the block of the role.
  returned: success
  type: str
includes_settings:
  description: Whether C(postgresql.conf) includes the folder of the settings file.
  returned: success
  type: bool
unread:
  description: What the server does not run with yet, though a reload would do. Those of O(files), or O(certificate_file).
  returned: success
  type: list
  elements: str
restart_needed:
  description: What waits for a restart. Names of settings, or those of O(start_files).
  returned: success
  type: list
  elements: str
shadowed:
  description: Those of O(settings) that another file or the command line decides, each with its C(name), and as C(place) its value and where that stands.
  returned: success
  type: list
  elements: dict
  sample: [{name: max_connections, place: "max_connections = 300 in /etc/postgresql/17/main/conf.d/90-shop.conf:3"}]
replaced:
  description: What other files say of O(settings), which counts no longer. As RV(shadowed).
  returned: success
  type: list
  elements: dict
  sample: [{name: shared_buffers, place: "shared_buffers = 128MB in /etc/postgresql/17/main/postgresql.conf:127"}]
wrong_lines:
  description: Lines of the configuration and the client rules, as they are now, that the server could not use.
  returned: success
  type: list
  elements: str
encoding:
  description: The encoding of the database C(postgres), in which the server stores names and passwords.
  returned: success
  type: str
data_checksums:
  description: Whether the data has checksums.
  returned: success
  type: bool
archives:
  description: Whether the server hands its log of changes to a command or library, which may write anywhere, with O(settings) in force.
  returned: success
  type: bool
write_paths:
  description: The folders that the server writes to with O(settings) in force, beside those that every cluster of Debian has.
  returned: success
  type: list
  elements: str
closed_databases:
  description: The databases that are closed to users who got no rights there, with C(name), C(owner), C(encoding), C(lc_collate) and C(lc_ctype).
  returned: success
  type: list
  elements: dict
"""

import glob
import json
import os
import socket
import ssl
import struct
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _postgres, _postgres_cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._postgres_cluster import Postmaster, postmaster, read

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
TIMEOUT = 10
# As the server says it, and as people do.
OFF = ("", "off", "false", "no", "0")
# What decides where the server writes, and to whom it hands on.
WRITING = ("archive_mode", "log_directory", "logging_collector", "unix_socket_directories")


def data_directory(module: AnsibleModule, version: str, cluster: str) -> str:
    _status, out, _err = module.run_command(["pg_conftool", "-s", version, cluster, "show", "data_directory"], check_rc=True)
    return out.strip()


def ask(module: AnsibleModule, version: str, server: Postmaster) -> tuple[dict[str, t.Any], str]:
    """The server's answers, or why there are none."""
    psql = ["runuser", "-u", "postgres", "--", f"/usr/lib/postgresql/{version}/bin/psql", "--no-psqlrc", "--no-password", "--quiet"]
    place = ["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", f"--host={server.socket_dir}", f"--port={server.port}", "postgres"]
    environment = {"PGCONNECT_TIMEOUT": str(TIMEOUT), "PGCLIENTENCODING": "UTF8", "PGOPTIONS": f"-c statement_timeout={TIMEOUT}s", "LC_ALL": "C.UTF-8"}
    status, out, err = module.run_command([*psql, *place], data=_postgres.QUERY, cwd="/", environ_update=environment)
    return (json.loads(out), "") if status == 0 else ({}, err.strip() or f"psql ended with {status}")


def stored(module: AnsibleModule, version: str, folder: str, name: str) -> str:
    """A setting of a server that does not answer; empty where it could not start either."""
    program = ["runuser", "-u", "postgres", "--", f"/usr/lib/postgresql/{version}/bin/postgres"]
    status, out, _err = module.run_command([*program, "-D", folder, "-C", name], cwd="/")
    return out.strip() if status == 0 else ""


def shown_certificate(server: Postmaster) -> bytes | None:
    """The certificate of the server, in DER. None where it has none."""
    address = "127.0.0.1" if server.address == "*" else server.address
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, server.port), TIMEOUT) as connection:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) != b"S":
            return None
        with context.wrap_socket(connection) as tls:
            return tls.getpeercert(binary_form=True)


def shows(server: Postmaster, path: str) -> bool:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    _before, _begin, rest = read(path).partition(begin)
    try:
        wanted = ssl.PEM_cert_to_DER_cert(begin + rest.partition(end)[0] + end)
        return shown_certificate(server) == wanted
    except (OSError, ValueError):
        return False


def changed_since(paths: list[str], moment: float) -> list[str]:
    return [path for path in paths if os.path.exists(path) and os.stat(path).st_ctime > moment]


def look(module: AnsibleModule) -> dict[str, t.Any]:
    asked = module.params
    folder = f"/etc/postgresql/{asked['version']}/{asked['cluster']}"
    main_file, settings_file = f"{folder}/postgresql.conf", f"{folder}/conf.d/{asked['settings_file']}"
    wanted = {name: _postgres.text_of(value) for name, value in asked["settings"].items()}
    main_text, hba_text = read(main_file), read(f"{folder}/pg_hba.conf")
    included_at = _postgres.include_line(main_text, "conf.d")
    is_own = _postgres.made_by_role(main_text, hba_text)
    found: dict[str, t.Any] = {
        "exists": os.path.isfile(main_file),
        "made_by_role": is_own,
        "elsewhere": _postgres_cluster.holder(asked["version"], _postgres_cluster.find(asked["cluster"]), is_own),
        "running": False,
        "silent": "",
        "port": 0,
        "data_directory": "",
        "hba_file": "",
        "other_rules": _postgres.others_rules(hba_text),
        "includes_settings": included_at is not None,
        "unread": [],
        "restart_needed": [],
        "shadowed": [],
        "replaced": [],
        "wrong_lines": [],
        "encoding": "",
        "data_checksums": False,
        "archives": False,
        "write_paths": [],
        "closed_databases": [],
    }
    server, answer = None, {}
    if found["exists"]:
        found["data_directory"] = data_directory(module, asked["version"], asked["cluster"])
        server = postmaster(found["data_directory"])
    if server is not None:
        found.update(running=True, port=server.port)
        answer, found["silent"] = ask(module, asked["version"], server)
    settings = answer.get("settings", {})
    if settings:
        # What the settings file alone says is gone when it says so no longer.
        current = {name: "" if settings[name]["file"] == settings_file else settings[name]["value"] for name in WRITING}
    else:
        current = {name: stored(module, asked["version"], folder, name) for name in WRITING if found["exists"]}
    soon = {**dict.fromkeys(WRITING, ""), **current, **wanted}
    found.update(archives=soon["archive_mode"] not in OFF, write_paths=_postgres.unusual_folders(written_folders(found["data_directory"], soon)))
    if server is None or found["silent"]:
        return found
    rows = answer["file_settings"]
    later = _postgres.later_lines(rows, settings_file, included_at or 0)
    deciding = _postgres.last_of(rows)
    # What waits for others' lines is theirs to decide.
    pending = [name for name, setting in settings.items() if setting["pending"] and deciding.get(name, {"file": settings_file})["file"] == settings_file]
    unread = changed_since(asked["files"], answer["loaded"])
    if asked["certificate_file"] and server.address and not shows(server, asked["certificate_file"]) and asked["certificate_file"] not in unread:
        unread.append(asked["certificate_file"])
    by_command = {name: f"{settings[name]['value']} in the command line" for name in wanted if settings.get(name, {}).get("source") == "command line"}
    found.update(
        hba_file=settings["hba_file"]["value"],
        unread=unread,
        restart_needed=pending + changed_since(asked["start_files"], answer["started"]),
        shadowed=named({**_postgres.shadowed(wanted, later), **by_command}),
        replaced=named(_postgres.replaced(wanted, rows, later, settings_file)),
        wrong_lines=_postgres.wrong_lines(rows) + [f"{settings['hba_file']['value']}:{error}" for error in answer["hba_errors"]],
        encoding=answer["encoding"],
        data_checksums=settings["data_checksums"]["value"] == "on",
        closed_databases=answer["closed_databases"],
    )
    return found


def named(places: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "place": f"{name} = {place}"} for name, place in places.items()]


def written_folders(data: str, settings: dict[str, str]) -> list[str]:
    """The real folders; what a link in the data leads to, too."""
    folders = [part.strip() for part in settings["unix_socket_directories"].split(",") if part.strip().startswith("/")]
    if settings["logging_collector"] not in OFF:
        folders.append(os.path.join(data, settings["log_directory"]))
    if data:
        folders += [data, os.path.join(data, "pg_wal"), *glob.glob(os.path.join(glob.escape(data), "pg_tblspc", "*"))]
    return [os.path.realpath(folder) for folder in folders if os.path.isabs(folder)]


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "cluster": {"type": "str", "default": "main"},
            "settings": {"type": "dict", "default": {}},
            "settings_file": {"type": "str", "default": "50-mlops.conf"},
            "certificate_file": {"type": "path"},
            "files": {"type": "list", "elements": "path", "default": []},
            "start_files": {"type": "list", "elements": "path", "default": []},
            "wait": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    end = time.monotonic() + module.params["wait"]
    try:
        found = look(module)
        # It reads its files on its own time, and may still be starting.
        while (not found["running"] or found["silent"] or found["unread"]) and time.monotonic() < end:
            time.sleep(0.1)
            found = look(module)
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"cannot look at the cluster {module.params['version']}/{module.params['cluster']}: {exc}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
