"""What the hosts of the site say to each other, and what a neighbour in their network can do."""

import json
import os
from pathlib import Path

import pytest

# Ports that other machines reach, by group.
PORTS = {"postgres": {5432}, "minio": {9000}, "mlflow_server": {5000, 5001}, "nginx_tls": {80, 443}}
# Asks a server something, with TLS (and a certificate) or without. Prints the status, or what went wrong.
ASK = """
import json, socket, ssl, sys
host, port, tls, certificate = json.loads(sys.argv[1])
connection = socket.create_connection((host, port), timeout=10)
try:
    if tls:
        context = ssl._create_unverified_context()
        if certificate: context.load_cert_chain(*certificate)
        connection = context.wrap_socket(connection)
    connection.sendall(b"GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    print(connection.recv(100).decode().partition("\\r\\n")[0] or "closed")
except OSError as error:
    print(error)
"""
# Prints the status that the front on this host gives.
STATUS = """
import http.client, ssl, sys
front = http.client.HTTPSConnection("127.0.0.1", context=ssl._create_unverified_context(), timeout=20)
front.request("GET", "/health", headers={"Host": sys.argv[1]})
print(front.getresponse().status)
"""


@pytest.fixture(scope="module")
def several(servers):
    return len(servers) > 1


@pytest.fixture(scope="module")
def ask(execute):
    def run(source, host, port, tls=True, certificate=None):
        return execute(source, "python3", "-", json.dumps([host, port, tls, certificate]), stdin=ASK).stdout.strip()

    return run


def changed_front(execute, host, change):
    """The status of a request through the front while a change of its files is in force. The login is left out of it, and all is put back."""
    script = f"""
        cp -a /etc/nginx/conf.d/mlflow.conf /etc/ssl/nginx_tls/mlflow-upstream-ca.crt /root
        restore() {{ cp -a /root/mlflow.conf /etc/nginx/conf.d; cp -a /root/mlflow-upstream-ca.crt /etc/ssl/nginx_tls; systemctl reload nginx; }}
        trap restore EXIT
        sed --in-place '/auth_basic/d; /auth_delay/d' /etc/nginx/conf.d/mlflow.conf
        {change}
        systemctl reload nginx
        sleep 2
        python3 -c "$2" "$1" """
    return execute(host, "sh", "-ec", script, "change", os.environ["SITE_PUBLIC_NAME"], STATUS).stdout.strip()


def test_only_what_is_needed_is_open_to_others(groups, execute):
    for host in {host for group in PORTS for host in groups[group]}:
        lines = execute(host, "ss", "-Hltn").stdout.splitlines()
        ports = {int(address.rpartition(":")[2]) for address in (line.split()[3] for line in lines) if not address.startswith(("127.", "[::1]"))}
        own = [group for group in PORTS if host in groups[group]]
        # On one machine all but the front keep to loopback and sockets.
        assert ports == PORTS[own[0] if len(own) == 1 else "nginx_tls"]


def test_no_server_speaks_in_clear(several, groups, ask):
    if not several:
        # Nobody is there to listen.
        return
    (neighbour,) = groups["nginx_tls"]
    for group, ports in PORTS.items():
        for port in ports - {80, 5432}:
            answer = ask(neighbour, groups[group][0], port, tls=False)
            assert "200" not in answer, f"{group} {port}: {answer}"


@pytest.mark.parametrize("port", [5000, 5001])
def test_mlflow_lets_in_who_shows_a_certificate_of_the_front(several, groups, ask, port):
    if not several:
        return
    (app,) = groups["mlflow_server"]
    other, key = "/etc/postgresql/tls/main/server.crt", "/etc/postgresql/tls/main/server.key"
    front = [f"/etc/ssl/nginx_tls/mlflow-client.{kind}" for kind in ("crt", "key")]
    for neighbour in (*groups["postgres"], *groups["minio"], *groups["nginx_tls"]):
        assert not ask(neighbour, app, port).startswith("HTTP/")
    # A certificate of another CA of the site.
    assert not ask(groups["postgres"][0], app, port, certificate=[other, key]).startswith("HTTP/")
    assert ask(groups["nginx_tls"][0], app, port, certificate=front) == "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (":", "200"),
        ("cp /etc/ssl/nginx_tls/mlflow-client-ca.crt /etc/ssl/nginx_tls/mlflow-upstream-ca.crt", "502"),
        ("sed --in-place 's/proxy_ssl_name .*;/proxy_ssl_name other.internal;/' /etc/nginx/conf.d/mlflow.conf", "502"),
    ],
    ids=["as it is", "certificate of an unknown CA", "certificate for another name"],
)
def test_the_front_checks_whom_it_talks_to(several, groups, execute, change, status):
    if several:
        assert changed_front(execute, groups["nginx_tls"][0], change) == status


def test_keys_stay_on_their_host(several, groups, execute):
    if not several:
        return
    keys = {groups["mlflow_server"][0]: "/etc/mlflow/tls/mlflow", groups["nginx_tls"][0]: "/etc/ssl/nginx_tls/mlflow-client"}
    for host, base in keys.items():
        for path in (f"{base}.key", f"{base}-ca.key"):
            assert execute(host, "runuser", "-u", "nobody", "--", "cat", path, check=False).returncode != 0
    fetched = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory/.ca")
    contents = [path.read_text() for path in fetched.iterdir()]
    assert len(contents) >= 5
    assert all("CERTIFICATE" in content and "PRIVATE" not in content for content in contents)


def test_mlflow_verifies_its_database_and_its_store(several, groups, execute):
    if not several:
        return
    (app,), (database,) = groups["mlflow_server"], groups["postgres"]
    query = "SELECT bool_and(ssl), count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'mlflow'"
    assert execute(database, "runuser", "-u", "postgres", "--", "psql", "-qAtc", query).stdout.strip() == "t|t"
    for unit in ("mlflow", "mlflow-fastapi"):
        pid = execute(app, "systemctl", "show", "--value", "--property=MainPID", unit).stdout.strip()
        environment = execute(app, "runuser", "-u", "mlflow", "--", "cat", f"/proc/{pid}/environ").stdout
        assert "sslmode=verify-full" in environment
        assert "MLFLOW_S3_ENDPOINT_URL=https://" in environment
        assert "AWS_CA_BUNDLE=/etc/mlflow/s3-ca.crt" in environment
