"""The database of the site as its neighbours see it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# The first step of a login with TLS, as any client makes it; prints what the server answers: R asks for a password, E refuses.
LOGIN = """
import socket, ssl, struct, sys
plain = socket.create_connection((sys.argv[1], 5432), 10)
plain.sendall(struct.pack("!ii", 8, 80877103))
assert plain.recv(1) == b"S"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
server = context.wrap_socket(plain)
body = struct.pack("!i", 196608) + b"user\\0mlflow\\0database\\0mlflow\\0\\0"
server.sendall(struct.pack("!i", len(body) + 4) + body)
print(server.recv(4096))
"""
# A local user who takes every place he can get, without logging in, while MLflow's own user asks the database for something.
FLOOD = """
import socket
taken, refused = [], 0
for _ in range(400):
    place = socket.socket(socket.AF_UNIX)
    try: place.connect("/run/postgresql/.s.PGSQL.5432"); taken.append(place)
    except PermissionError: refused += 1
print(len(taken), refused)
"""


def test_only_the_mlflow_host_may_log_in(groups, execute):
    (database,), (app,), (web,) = groups["postgres"], groups["mlflow_server"], groups["nginx_tls"]
    if app == database:
        pytest.skip("all in one: the database does not listen on the network")
    address = execute(database, "hostname", "-I").stdout.split()[0]
    assert execute(app, "python3", "-", address, stdin=LOGIN).stdout.startswith("b'R")
    assert "no pg_hba.conf entry" in execute(web, "python3", "-", address, stdin=LOGIN).stdout


def test_other_users_of_the_machine_take_no_place_of_the_database(groups, execute):
    (database,), (app,) = groups["postgres"], groups["mlflow_server"]
    if app != database:
        pytest.skip("several hosts: nobody else is on the database's machine")
    assert execute(database, "ss", "-Hltn", "sport = :5432").stdout == ""
    assert execute(database, "runuser", "-u", "nobody", "--", "python3", "-", stdin=FLOOD).stdout.split() == ["0", "400"]
    assert execute(database, "runuser", "-u", "mlflow", "--", "python3", "-", stdin=FLOOD.replace("400", "1")).stdout.split() == ["1", "0"]


def test_a_run_on_the_database_alone_knows_who_may_come_in(groups):
    (database,), (app,) = groups["postgres"], groups["mlflow_server"]
    if app == database:
        pytest.skip("all in one: there is no other host to know")
    variables = (f"--extra-vars=@{ROOT}/molecule/shared/site_vars.yml", f"--extra-vars=site_public_name={os.environ['SITE_PUBLIC_NAME']}")
    argv = ("ansible-playbook", "site.yml", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", database, *variables)
    env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"^{database} .*changed=0 ", done.stdout, re.MULTILINE), done.stdout[-3000:]
