"""What a client of the server sees, and what nobody should."""

from __future__ import annotations

import os
import pathlib
import re
import time

import pytest
import testinfra
import yaml

SCENARIO = pathlib.Path(__file__).parents[1]
HOSTS = ["postgres-debian12", "postgres-debian13"]
# Where side_effect.yml took over a cluster, and where it left data.
SHOP, DATA = pytest.mark.one_machine("debian13"), pytest.mark.one_machine("debian12")


class Loader(yaml.SafeLoader):
    """YAML with Ansible's !unsafe."""


Loader.add_constructor("!unsafe", lambda loader, node: node.value)
SECRETS = yaml.load((SCENARIO / "input" / "secrets.yml").read_text(), Loader).values()


@pytest.fixture(scope="module")
def address(host):
    return host.check_output("hostname -I").split()[0]


@pytest.fixture(scope="module")
def peer(host):
    """The other container of the scenario."""
    name = host.backend.get_hostname()
    return testinfra.get_host("docker://" + next(other for other in HOSTS if other != name))


@pytest.fixture(scope="module")
def ca(host, peer):
    """The CA's certificate as the role fetched it, on the other container."""
    name = host.backend.get_hostname()
    content = (pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"{name}.crt").read_text()
    peer.check_output("printf %%s %s > /root/peer.crt", content)
    return "/root/peer.crt"


def psql(client, dsn, query="SELECT 1", passfile="/root/.pgpass"):
    return client.run("PGPASSFILE=%s psql --no-password --no-psqlrc -qAtc %s %s", passfile, query, f"{dsn} connect_timeout=5")


def ask(host, query, database="postgres"):
    return host.check_output("cd /; runuser -u postgres -- psql -qAtc %s %s", query, database)


def test_login_over_tls_from_another_machine(peer, address, ca):
    result = psql(
        peer,
        f"host={address} user=mlflow dbname=mlflow sslmode=verify-full sslrootcert={ca}",
        "CREATE TEMP TABLE t AS SELECT 1; SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )
    assert result.stdout.strip() == "t|TLSv1.3", result.stderr


def test_certificate_is_checked(peer, address, ca):
    # The right server under a name that its certificate does not carry.
    result = psql(peer, f"host=elsewhere hostaddr={address} user=mlflow dbname=mlflow sslmode=verify-full sslrootcert={ca}")
    assert result.rc == 2
    assert "does not match host name" in result.stderr


@pytest.mark.parametrize("name", ["DNS:localhost", "IP:127.0.0.1", "IP:::1", "DNS:bank.example.com", "IP:10.9.8.7", "IP:fd00::1"])
def test_the_own_ca_signs_for_its_names_alone(host, name):
    """Whoever has the CA's key cannot stand in for anybody else."""
    command = (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x -addext subjectAltName=%s"
        " | openssl x509 -req -CA ca.crt -CAkey ca.key -copy_extensions copy -days 1 -out /root/forged.crt && openssl verify -CAfile ca.crt /root/forged.crt"
    )
    result = host.run(f"cd /etc/postgresql/tls/main; {command}", name)
    if name in ("DNS:localhost", "IP:127.0.0.1", "IP:::1"):
        assert result.rc == 0, result.stderr
    else:
        assert "permitted subtree violation" in result.stderr


@pytest.mark.parametrize("where", ["peer", "self"])
def test_plain_login_is_refused(host, peer, address, where):
    result = psql({"peer": peer, "self": host}[where], f"host={address} user=mlflow dbname=mlflow sslmode=disable")
    assert result.rc == 2
    assert "no encryption" in result.stderr


def test_old_tls_is_refused(peer, address):
    result = psql(peer, f"host={address} user=mlflow dbname=mlflow sslmode=require ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1")
    assert result.rc == 2
    assert "SSL error" in result.stderr


@pytest.mark.parametrize("server", ["127.0.0.1", "localhost"])
def test_wrong_password_is_refused(host, server):
    result = psql(host, f"host={server} user=mlflow dbname=mlflow", passfile="/root/.pgpass-wrong")
    assert result.rc == 2
    assert "password authentication failed" in result.stderr
    assert psql(host, f"host={server} user=mlflow dbname=mlflow").rc == 0


def test_a_user_without_a_rule_is_refused(peer, address):
    result = psql(peer, f"host={address} user=other dbname='other db' sslmode=require")
    assert result.rc == 2
    assert "no pg_hba.conf entry" in result.stderr


def test_databases_are_closed_to_each_other(host):
    result = psql(host, "host=localhost user=other dbname=mlflow")
    assert result.rc == 2
    assert "permission denied for database" in result.stderr
    assert psql(host, "host=localhost user=other dbname='other db'", "CREATE TABLE mine(x int); DROP TABLE mine").rc == 0


def test_users_have_no_powers(host):
    for query in ("CREATE DATABASE x", "CREATE ROLE x", "COPY (SELECT 1) TO PROGRAM 'true'"):
        assert re.search("permission denied|must be superuser", psql(host, "host=localhost user=mlflow dbname=mlflow", query).stderr)


def test_only_the_system_user_is_postgres(host):
    assert ask(host, "SELECT current_user") == "postgres"
    assert psql(host, "user=postgres dbname=postgres").rc == 2
    assert psql(host, "host=localhost user=postgres dbname=postgres").rc == 2


def test_listens_only_where_asked(host, address):
    listening = {line.split()[3] for line in host.check_output("ss --no-header --listening --tcp --numeric 'sport = :5432'").splitlines()}
    assert listening <= {"127.0.0.1:5432", "[::1]:5432", f"{address}:5432"}
    assert {"127.0.0.1:5432", f"{address}:5432"} <= listening


def test_cluster_is_made_well(host):
    assert ask(host, "SHOW data_checksums") == "on"
    assert ask(host, "SELECT DISTINCT pg_encoding_to_char(encoding), datcollate FROM pg_database") == "UTF8|C.UTF-8"
    assert ask(host, "SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin AND rolname <> 'postgres'") == "SCRAM-SHA-256$"
    unit = host.service(host.check_output("ls /etc/systemd/system/*.wants | grep '^postgresql@.*-main.service$'"))
    assert unit.is_enabled
    assert unit.is_running


def test_files_are_as_described(host):
    assert (
        host.check_output("stat --format=%U:%G:%a /etc/postgresql/*/main/pg_hba.conf /etc/postgresql/*/main/conf.d/50-mlops.conf").split()
        == ["root:postgres:640"] * 2
    )
    assert "create_main_cluster = false" in host.file("/etc/postgresql-common/createcluster.d/50-mlops.conf").content_string


def test_settings_are_in_force(host):
    memory = int(host.check_output("awk '/^MemTotal/ {print $2}' /proc/meminfo")) // 1024
    shared_buffers = int(ask(host, "SELECT setting::bigint * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'"))
    assert abs(shared_buffers - memory // 40) <= 1
    assert ask(host, "SHOW max_connections") == "40"
    assert ask(host, "SHOW random_page_cost") == "1.3"
    assert ask(host, "SHOW log_connections") == "on"
    assert ask(host, "SHOW log_line_prefix") == "%m [%p] it's %u "
    assert ask(host, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert ask(host, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


def shown_certificate(host, port):
    """In PEM, as a client gets it."""
    return host.check_output("openssl s_client -starttls postgres -connect 127.0.0.1:%s </dev/null 2>/dev/null | openssl x509", str(port))


@pytest.mark.parametrize(("cluster", "port", "connections"), [("main", 5432, "40"), pytest.param("shop", 5434, "300", marks=SHOP)])
def test_what_is_written_is_what_runs(host, cluster, port, connections):
    """After a failed run, and for a cluster that ran before the role came."""
    assert shown_certificate(host, port) == host.check_output("openssl x509 -in /etc/postgresql/tls/%s/server.crt", cluster)
    assert host.check_output(f"cd /; runuser -u postgres -- psql -p {port} -qAtc 'SHOW max_connections'") == connections
    state = "SELECT count(*) FROM pg_settings WHERE pending_restart UNION ALL SELECT extract(epoch FROM pg_conf_load_time())"
    waiting, loaded = host.check_output(f"cd /; runuser -u postgres -- psql -p {port} -qAtc %s", state).splitlines()
    changed = host.check_output(
        f"stat --format=%Z /etc/postgresql/tls/{cluster}/* /etc/postgresql/*/{cluster}/conf.d/50-mlops.conf /etc/postgresql/*/{cluster}/pg_hba.conf"
    )
    assert waiting == "0"
    assert max(int(moment) for moment in changed.split()) <= float(loaded)


@pytest.mark.one_machine("debian13")
def test_who_does_not_log_in_is_sent_away(host):
    """A connection that sends nothing, timed: the server ends it."""
    code = "import socket, time; s = socket.create_connection(('127.0.0.1', 5432)); t = time.time(); s.settimeout(30); s.recv(1); print(time.time() - t)"
    assert 5 < float(host.check_output("python3 -c %s", code)) < 20


@SHOP
def test_the_rules_of_others_stay_and_open_nothing_of_ours(host):
    """The shop trusts everybody, and goes on to; the role's database lets nobody in by that."""

    def login(user, database):
        return psql(host, f"host=127.0.0.1 port=5434 user={user} dbname={database}", passfile="/nonexistent").stderr

    assert login("shop", "shop") == ""
    assert "no password supplied" in login("mlflow", "mlflow")
    for user, database in (("shop", "mlflow"), ("postgres", "mlflow"), ("mlflow", "shop"), ("mlflow", "postgres")):
        assert "pg_hba.conf rejects connection" in login(user, database)
    assert host.check_output("cat /etc/postgresql/*/shop/pg_hba.conf.before-mlops") == "local all postgres peer\nlocal all all trust\nhost all all all trust"


@pytest.fixture(params=["main", pytest.param("shop", marks=SHOP)])
def service(host, request):
    """One whose cluster the role made, and one that archives and was there before."""
    return f"postgresql@{host.check_output('ls /usr/lib/postgresql')}-{request.param}.service"


def test_service_is_confined(host, service):
    host.check_output("systemd-analyze security --no-pager --threshold=19 %s", service)
    pid = host.check_output("systemctl show --value --property MainPID %s", service)
    # The server's own view of the files, with more rights than it has: only the confinement can refuse.
    caps = "+sys_admin,+sys_chroot,+dac_override"
    inside = f"setpriv --reuid postgres --regid postgres --clear-groups --inh-caps {caps} --ambient-caps {caps} nsenter --target {pid} --mount"
    closed = ["/etc", "/usr/local/bin"] if "shop" in service else ["/etc", "/usr/local/bin", "/opt", "/root", "/srv/unnamed", "/var/lib"]
    for folder in closed:
        assert re.search("Read-only file system|No such file or directory", host.run(f"{inside} touch {folder}/intruder").stderr), folder
    status = host.check_output("cat /proc/%s/status", pid)
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_confined_server_does_its_work(host):
    version = host.check_output("ls /usr/lib/postgresql")
    service, log = f"postgresql@{version}-main.service", f"/var/log/postgresql/postgresql-{version}-main.log"
    ask(host, "ALTER SYSTEM SET deadlock_timeout = '2s'")
    host.check_output("systemctl reload %s", service)
    host.check_output("pg_ctlcluster %s main reload", version)
    ask(host, "ALTER SYSTEM RESET deadlock_timeout")
    host.check_output("systemctl stop %s", service)
    host.check_output("pg_ctlcluster %s main start", version)
    ask(host, "VACUUM (FULL, ANALYZE)")
    assert "PostgreSQL database dump complete" in host.check_output("cd /; runuser -u postgres -- pg_dumpall; runuser -u postgres -- pg_dump mlflow")
    assert ask(host, "SET jit = on; SET jit_above_cost = 0; SELECT sum(x) FROM generate_series(1, 9) x") == "45"
    assert ask(host, "SHOW max_stack_depth") == "2MB"
    ask(host, "COPY (SELECT 1) TO '/srv/named/x'")
    refused = host.run("cd /; runuser -u postgres -- psql -c %s", "COPY (SELECT 1) TO '/srv/unnamed/x'")
    assert "Read-only file system" in refused.stderr
    host.check_output("logrotate --force /etc/logrotate.d/postgresql-common")
    assert host.file(log).size == 0
    assert psql(host, "host=localhost user=mlflow dbname=mlflow").rc == 0
    assert "connection received" in host.file(log).content_string
    assert (host.file(log).user, host.file(log).group) == ("postgres", "adm")


@DATA
def test_confined_server_reaches_its_tablespaces(host):
    ask(host, "INSERT INTO apart VALUES (1)")


@SHOP
def test_a_stop_leaves_the_shared_memory_of_others(host):
    """Which has the same owner."""
    version = host.check_output("ls /usr/lib/postgresql")
    host.check_output("systemctl stop postgresql@%s-main.service", version)
    left = host.run("ls /dev/shm/PostgreSQL.*")
    host.check_output("pg_ctlcluster %s main start", version)
    assert left.rc == 0


@SHOP
def test_confined_server_of_others_does_its_work(host):
    shop = "cd /; runuser -u postgres -- psql --host=/tmp --port=5434 -qAtc %s"
    archived = host.check_output(shop, "SELECT pg_walfile_name(pg_switch_wal())")
    for _attempt in range(50):
        if host.file(f"/srv/archive/{archived}").exists:
            break
        time.sleep(0.1)
    assert host.check_output(shop, "SELECT failed_count FROM pg_stat_archiver") == "0"
    assert host.file(f"/srv/archive/{archived}").size == 16 * 1024 * 1024


@DATA
def test_data_outlives_an_uninstall(host):
    assert ask(host, "SELECT answer FROM kept", "mlflow") == "42"


def test_no_secret_leaks(host):
    argv = host.file("/var/log/argv").content_string
    assert "pg_createcluster" in argv, "the watcher did not watch"
    journal = host.check_output("journalctl --no-pager --output=cat")
    assert "postgresql" in journal.lower()
    log = host.check_output("zcat --force /var/log/postgresql/*.log*")
    assert "user=other" in log
    for secret in SECRETS:
        assert secret not in argv + journal + log
    readable = host.check_output("find /etc /var/lib /var/log /var/tmp /opt -xdev -type f -perm -o+r -size -1M -exec grep -lF %s {} + || true", "p%o@")
    assert readable == ""


@pytest.mark.parametrize("name", ["server.key", "ca.key"])
def test_keys_are_private(host, name):
    assert host.run("runuser -u nobody -- cat /etc/postgresql/tls/main/%s", name).rc != 0


def test_apt_understands_the_repository_file(host):
    release = host.check_output(". /etc/os-release; echo $VERSION_CODENAME")
    addresses = host.check_output("apt-get update --print-uris -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/var/tmp/apt")
    assert f"'https://mirror.example.com/pgdg/dists/{release}-pgdg/InRelease'" in addresses
    assert f"/{release}-pgdg/main/" in addresses
    key = host.check_output("sed -n 's/^Signed-By: //p' /var/tmp/apt/pgdg.sources")
    assert "BEGIN PGP PUBLIC KEY BLOCK" in host.file(key).content_string
