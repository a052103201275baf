"""A certificate of an ACME server: renewed in time, without a dropped request, and kept when that fails."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time

import pytest

pytestmark = pytest.mark.one_machine("acme")

NAME = "mlflow.example.com"
RENEWAL = "/etc/letsencrypt/renewal/mlops-mlflow.conf"
LIFETIME = 30


@pytest.fixture(scope="module")
def address(host):
    return host.check_output("hostname -I").split()[0]


def ask(address):
    """A status, on a connection of its own."""
    connection = http.client.HTTPSConnection(address, timeout=10, context=ssl._create_unverified_context())
    connection.request("GET", "/", headers={"Host": NAME})
    status = connection.getresponse().status
    connection.close()
    return status


def served(address):
    return ssl.get_server_certificate((address, 443), timeout=10)


def on_disk(host):
    return host.file("/etc/ssl/nginx_tls/mlflow.crt").content_string


def metrics(host):
    lines = host.file("/var/lib/mlops-acme/metrics/mlops_acme_mlflow.prom").content_string.splitlines()
    return {name.partition("{")[0].removeprefix("mlops_acme_"): float(value) for name, value in (line.split() for line in lines)}


def run_timer(host):
    """What certbot.timer starts."""
    return host.run("systemctl start certbot.service").rc


def make_due(host):
    host.check_output(f"sed --in-place 's/^renew_before_expiry = .*/renew_before_expiry = 1 day/' {RENEWAL}")


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def former(host, address):
    """What is served, from the file."""
    text = served(address)
    assert text.strip() in on_disk(host)
    return text


def test_the_timer_is_on(host):
    timer = host.service("certbot.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_keys_are_for_root_alone(host):
    key = host.file("/etc/ssl/nginx_tls/mlflow.key")
    assert (key.user, key.group, key.mode) == ("root", "root", 0o600)


@pytest.mark.parametrize(("path", "status"), [("/.well-known/acme-challenge/x", 404), ("/.well-known/x", 308), ("/", 308)])
def test_challenges_are_answered_without_https_and_login(address, path, status):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path, headers={"Host": NAME})
    assert connection.getresponse().status == status


def test_renewal_takes_place_at_half_of_a_short_life_and_drops_no_request(host, address):
    # Whatever is there has expired by now, or is about to.
    make_due(host)
    assert run_timer(host) == 0
    began, young = time.monotonic(), served(address)
    assert run_timer(host) == 0
    assert time.monotonic() - began < LIFETIME / 2
    assert served(address) == young

    statuses, done = [], threading.Event()

    def ask_on():
        while not done.is_set():
            statuses.append(ask(address))

    askers = [threading.Thread(target=ask_on) for _time in range(4)]
    for asker in askers:
        asker.start()
    time.sleep(max(0, began + LIFETIME / 2 + 2 - time.monotonic()))
    assert run_timer(host) == 0
    assert time.monotonic() - began < LIFETIME
    wait_until(lambda: served(address) != young)
    asked = len(statuses)
    wait_until(lambda: len(statuses) > asked + 20)
    done.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {401}
    assert metrics(host)["last_exit_code"] == 0
    assert time.time() - metrics(host)["last_success_timestamp_seconds"] < 60


@pytest.mark.parametrize(("days", "before"), [(6, 3), (45, 15), (90, 30)])
def test_other_lives_are_renewed_by_their_fraction(host, days, before):
    load = "from importlib.machinery import SourceFileLoader; program = SourceFileLoader('program', '/usr/local/sbin/mlops-acme').load_module()"
    assert host.check_output(f'python3 -W ignore -c "{load}; print(program.renew_before({days * 86400}))"') == str(before * 86400)


def test_a_certificate_that_nginx_cannot_load_is_put_back_and_taken_up_later(host, address, former):
    host.check_output("echo nonsense > /etc/nginx/conf.d/broken.conf")
    make_due(host)
    assert run_timer(host) != 0
    assert served(address) == former
    assert former.strip() in on_disk(host)
    assert "former one is" in host.check_output("journalctl --unit certbot.service --no-pager --lines 20")
    assert metrics(host)["last_exit_code"] == 1
    host.check_output("rm /etc/nginx/conf.d/broken.conf")
    assert run_timer(host) == 0
    wait_until(lambda: served(address) != former)
    assert metrics(host)["last_exit_code"] == 0


def test_names_that_lead_elsewhere_are_not_asked_for(host):
    config = json.loads(host.file("/etc/mlops-acme/mlflow.json").content_string)
    config["names"] = [NAME, "nowhere.invalid", "other.example.com"]
    host.check_output(f"echo '{json.dumps(config)}' > /etc/mlops-acme/other.json; echo 127.0.0.1 other.example.com >> /etc/hosts")
    before = host.check_output("journalctl --unit pebble --no-pager | wc --lines")
    refused = host.run("mlops-acme issue other; rc=$?; rm /etc/mlops-acme/other.json; exit $rc")
    assert refused.rc == 1
    assert "nowhere.invalid cannot be resolved" in refused.stderr
    assert "other.example.com leads to 127.0.0.1, and http://other.example.com/.well-known/acme-challenge/" in refused.stderr
    assert " answers 403" in refused.stderr
    assert f"{NAME} leads" not in refused.stderr
    assert host.check_output("journalctl --unit pebble --no-pager | wc --lines") == before


def test_a_failed_renewal_keeps_serving_and_shows(host, address, former):
    success = metrics(host)["last_success_timestamp_seconds"]
    host.check_output("systemctl stop pebble")
    make_due(host)
    assert run_timer(host) != 0
    assert host.check_output("systemctl show --value --property=Result certbot.service") == "exit-code"
    assert host.run("systemctl is-failed certbot.service").rc == 0
    assert served(address) == former
    assert ask(address) == 401
    assert metrics(host)["last_exit_code"] == 1
    assert metrics(host)["last_success_timestamp_seconds"] == success
    assert metrics(host)["not_after_timestamp_seconds"] < time.time() + LIFETIME
