"""Answers in one call what the role asks nginx and the host. How nginx was built, how many connections its main file allows, and a hash of each password.

Input: {"binary": "...", "main_file": "...", "site": "...", "rounds": 1000, "users": [{"name": "...", "password": "..."}]}.
Prints {"build": "...", "connections": ["768"], "hashes": ["..."]}.

The salt is a function of site and user, so that a hash changes only with the password.
"""

import hashlib
import json
import re
import subprocess
import sys


def output(argv, text="", stderr=None):
    done = subprocess.run(argv, input=text, text=True, check=True, stdout=subprocess.PIPE, stderr=stderr)
    return done.stdout.strip()


def password_hash(user):
    salt = hashlib.sha256(f"{asked['site']}:{user['name']}".encode()).hexdigest()[:16]
    return output(["openssl", "passwd", "-6", "-salt", f"rounds={asked['rounds']}${salt}", "-stdin"], user["password"] + "\n")


def about_nginx():
    """What cannot be asked is left to the test of the files, which says so: nobody sees the errors of a task with passwords."""
    try:
        with open(asked["main_file"]) as file:
            connections = re.findall(r"^\s*worker_connections\s+(\d+);", file.read(), re.MULTILINE)
        return {"build": output([asked["binary"], "-V"], stderr=subprocess.STDOUT), "connections": connections}
    except OSError:
        return {"build": "", "connections": []}


asked = json.load(sys.stdin)
print(json.dumps({**about_nginx(), "hashes": [password_hash(user) for user in asked["users"]]}))
