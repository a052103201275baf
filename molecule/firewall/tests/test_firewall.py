"""The table in force, as a neighbour sees it."""

import json
import subprocess
import time

import pytest

# Prints which ports answer.
ASK = """
import json, socket, sys
address, ports = json.loads(sys.argv[1])
def answers(port):
    try: socket.create_connection((address, port), 2).close()
    except TimeoutError: return False
    return True
print(json.dumps([port for port in ports if answers(port)]))
"""
PORTS = [7001, 7002, 7003]
NEIGHBOURS = {"firewall-debian12": "firewall-debian13", "firewall-debian13": "firewall-debian12"}


@pytest.fixture
def name(host):
    return host.backend.get_pytest_id().partition("//")[2]


@pytest.fixture
def reached(host, name):
    def ask(source, address=None):
        address = address or host.check_output("hostname -I").split()[0]
        argv = ["docker", "exec", "--interactive", source, "python3", "-", json.dumps([address, PORTS])]
        return json.loads(subprocess.run(argv, input=ASK, capture_output=True, text=True, check=True).stdout)

    return ask


def test_only_the_given_sources_get_in(reached, name):
    assert reached(NEIGHBOURS[name]) == [7001, 7003]


def test_the_machine_reaches_itself(reached, name):
    for address in (None, "127.0.0.1"):
        assert reached(name, address) == PORTS


@pytest.mark.parametrize("command", ["start", "reload", "restart", "stop"])
def test_the_service_of_nftables_leaves_the_table(host, command):
    before = host.check_output("nft --stateless list table inet mlops_mlflow")
    # Debian's own file empties all tables and makes one.
    host.check_output("nft add table inet others")
    host.check_output(f"systemctl {command} nftables")
    assert host.check_output("nft --stateless list table inet mlops_mlflow") == before
    tables = host.check_output("nft list tables")
    assert "others" not in tables
    assert ("inet filter" in tables) == (command != "stop")


def test_it_is_in_force_after_a_boot(host, name, reached):
    subprocess.run(["docker", "restart", name], check=True, capture_output=True)
    end = time.monotonic() + 30
    while len(host.run("ss -Hltn '( sport >= 7001 and sport <= 7003 )'").stdout.splitlines()) < len(PORTS) and time.monotonic() < end:
        time.sleep(0.5)
    assert reached(NEIGHBOURS[name]) == [7001, 7003]
