"""The packet filter of the site. It is off, and these tests switch it on for a while."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Prints which of the addresses and ports answer.
ASK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(place):
    try: socket.create_connection(place, 3).close()
    except TimeoutError: return False
    return True
places = [tuple(place) for place in json.loads(sys.argv[1])]
print(json.dumps([place for place, there in zip(places, ThreadPoolExecutor(8).map(answers, places)) if there]))
"""


def play(enabled):
    variables = (f"--extra-vars=@{ROOT}/molecule/shared/site_vars.yml", f"--extra-vars=site_public_name={os.environ['SITE_PUBLIC_NAME']}")
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    argv = ("ansible-playbook", "site.yml", "-i", inventory, "--tags", "firewall", *variables, f"--extra-vars=site_firewall_enabled={enabled}")
    env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))


@pytest.fixture(scope="module")
def places(groups, servers, execute):
    """Address and port of each server, by who needs it."""
    if len(servers) == 1:
        pytest.skip("all in one: nothing but the front listens on the network")
    needed = {"postgres": {5432: "mlflow_server"}, "minio": {9000: "mlflow_server"}, "mlflow_server": {5000: "nginx_tls", 5001: "nginx_tls"}}
    hosts = {group: groups[group][0] for group in (*needed, "nginx_tls")}
    address = {host: execute(host, "hostname", "-I").stdout.split()[0] for host in hosts.values()}
    return {(address[hosts[group]], port): {hosts[group], hosts[user]} for group, ports in needed.items() for port, user in ports.items()}


@pytest.fixture(scope="module")
def reached(places, servers, execute):
    def ask():
        # Side by side, for most of it is waiting for what does not answer.
        with ThreadPoolExecutor(len(servers)) as pool:
            asked = pool.map(lambda host: execute(host, "python3", "-", json.dumps(list(places)), stdin=ASK).stdout, servers)
            answers = dict(zip(servers, map(json.loads, asked)))
        return {place: {host for host in servers if list(place) in answers[host]} for place in places}

    return ask


def test_each_port_is_open_for_those_alone_who_need_it(places, reached, groups, servers, execute, client):
    assert set(map(frozenset, reached().values())) == {frozenset(servers)}
    try:
        assert play(True) > 0
        assert reached() == places
        client("import mlflow; mlflow.search_experiments()")
        assert play(True) == 0
    finally:
        play(False)
    # Switched off, nothing of it is left; tables of others are not touched.
    for host in set.union(*places.values()) - set(groups["nginx_tls"]):
        assert "mlops_mlflow" not in execute(host, "nft", "list", "tables").stdout
