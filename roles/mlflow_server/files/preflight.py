"""Facts for the preflight of the role, as JSON. Runs on the Python that MLflow would run on, so any Python 3 must do.

Arguments: unit name, user name, port, folder...
"""

import glob
import json
import os
import pwd
import subprocess
import sys

LISTENING = "0A"


def free_mb(path):
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    usage = os.statvfs(path)
    return usage.f_bavail * usage.f_frsize // 2**20


def listeners(port):
    """Pairs (socket inode, user id) of whoever listens on a TCP port."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table) as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.append((fields[9], int(fields[7])))
    return found


def process_of(inode):
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == "socket:[" + inode + "]":
                pid = link.split("/")[2]
                with open("/proc/" + pid + "/comm") as name:
                    return name.read().strip() + " (process " + pid + ")"
        except OSError:
            continue
    return None


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def port_holder(unit, user, port):
    """Who listens on the port, None when nobody does but the unit itself."""
    active = subprocess.call(["systemctl", "is-active", "--quiet", unit]) == 0
    for inode, uid in listeners(port):
        if not (active and user_name(uid) == user):
            return process_of(inode) or "a process of user " + user_name(uid)
    return None


def main():
    unit, user, port = sys.argv[1:4]
    print(
        json.dumps(
            {
                "python": ".".join(str(part) for part in sys.version_info[:2]),
                "port_holder": port_holder(unit, user, int(port)),
                "disks": [free_mb(path) for path in sys.argv[4:]],
            }
        )
    )


main()
