"""Says what of the written files the running nginx does not have, a word for each: nothing stands between a file and its use but a reload that got lost.

Argument: a JSON object with `address`, `port`, `server_name`, `path` (which nginx answers with the digest of its configuration), `site` (path of the
site file), `certificate` (path), `service`, `drop_in` (path), `user` and `groups` (those that the workers need).
"""

from __future__ import annotations

import grp
import http.client
import json
import os
import pwd
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path


def served(wanted: dict) -> tuple[bytes, int, str]:
    """The certificate, and status and body of the answer that tells the digest."""
    context = ssl.create_default_context()
    # It is compared with the file.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection((wanted["address"], wanted["port"]), 10), server_hostname=wanted["server_name"]) as connection:
        connection.sendall(f"GET {wanted['path']} HTTP/1.1\r\nHost: {wanted['server_name']}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return connection.getpeercert(binary_form=True), answer.status, answer.read().decode(errors="replace")


def confined(service: str, drop_in: Path) -> bool:
    """The service was started after its confinement was written, and systemd knows of it."""
    properties = "NeedDaemonReload,ExecMainStartTimestampMonotonic"
    shown = subprocess.run(["systemctl", "show", f"--property={properties}", f"{service}.service"], check=True, capture_output=True, text=True).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    started = time.time() - time.monotonic() + int(values["ExecMainStartTimestampMonotonic"]) / 1e6
    return values["NeedDaemonReload"] == "no" and (not drop_in.exists() or drop_in.stat().st_mtime < started)


def workers(uid: int) -> list[str]:
    """What /proc says of nginx's workers of that user."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, status = process.joinpath("cmdline").read_text(), process.joinpath("status").read_text()
        except OSError:
            continue
        if re.match(r"\w+: worker process(?! is shutting down)", name) and re.search(rf"^Uid:\t{uid}\t", status, re.MULTILINE):
            found.append(status)
    return found


def missing(wanted: dict) -> list[str]:
    words = []
    digest = re.search(r"return 200 ([0-9a-f]{64});", Path(wanted["site"]).read_text())
    try:
        certificate, status, said = served(wanted)
    except (OSError, http.client.HTTPException):
        words.append("configuration")
    else:
        # 400: it wants a client's certificate, and cannot be asked.
        if digest and status != 400 and said != digest[1]:
            words.append("configuration")
        begin, end, _rest = Path(wanted["certificate"]).read_text().partition("-----END CERTIFICATE-----")
        if ssl.PEM_cert_to_DER_cert(begin[begin.index("-----BEGIN") :] + end) != certificate:
            words.append("certificate")
    if not confined(wanted["service"], Path(wanted["drop_in"])):
        words.append("confinement")
    numbers = {str(grp.getgrnam(name).gr_gid) for name in wanted["groups"]}
    of_worker = [set(re.search(r"^Groups:(.*)$", status, re.MULTILINE)[1].split()) for status in workers(pwd.getpwnam(wanted["user"]).pw_uid)]
    if any(numbers - groups for groups in of_worker):
        words.append("groups")
    return words


wanted = json.loads(sys.argv[1])
if os.path.exists(wanted["site"]) and os.path.exists(wanted["certificate"]):
    print("\n".join(missing(wanted)))
