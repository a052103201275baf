"""Prints a hash for each password. The salt is a function of site and user, so that a hash changes only with the password.

Input: {"site": "...", "rounds": 1000, "users": [{"name": "...", "password": "..."}]}.
"""

import hashlib
import json
import subprocess
import sys

asked = json.load(sys.stdin)
for user in asked["users"]:
    salt = hashlib.sha256(f"{asked['site']}:{user['name']}".encode()).hexdigest()[:16]
    command = ["openssl", "passwd", "-6", "-salt", f"rounds={asked['rounds']}${salt}", "-stdin"]
    print(subprocess.run(command, input=user["password"] + "\n", text=True, check=True, stdout=subprocess.PIPE).stdout.strip())
