"""The site as its users and its attackers see it."""

import json
import os
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[3] / "benchmarks/probe.py"
REQUEST = """
import os, requests
url = os.environ["MLFLOW_TRACKING_URI"]
login = (os.environ["MLFLOW_TRACKING_USERNAME"].encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
api = url + "/api/2.0/mlflow/experiments/search?max_results=1"
options = dict(verify="/root/ca.crt", timeout=30, allow_redirects=False)
"""


def test_client_logs_a_run_and_moves_artifacts(client):
    """From a machine that cannot reach the store: a download by presigned URL would hang."""
    output = client(
        """
import hashlib, os, pathlib, mlflow
source = pathlib.Path("/tmp/up ü.bin"); source.write_bytes(os.urandom(20 * 2**20))
mlflow.set_experiment("site")
with mlflow.start_run() as run:
    mlflow.log_param("alpha", 0.5); mlflow.log_metric("rmse", 0.25); mlflow.log_artifact(source, "some/where")
down = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="some/where/up ü.bin"))
assert hashlib.sha256(down.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
(found,) = mlflow.search_runs(experiment_names=["site"], filter_string=f"attributes.run_id = '{run.info.run_id}'", output_format="list")
print("metric", found.data.metrics["rmse"], "param", found.data.params["alpha"])
"""
    ).stdout
    assert "metric 0.25 param 0.5" in output


def test_units_are_confined(servers, execute):
    """All that the site runs, below 2.0 in the words of systemd."""
    names = ("mlflow.service", "mlflow-fastapi.service", "minio.service", "nginx.service", "postgresql@*.service")
    seen = []
    for server in servers:
        lines = execute(server, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", *names).stdout.splitlines()
        seen += [(server, line.split()[0]) for line in lines]
    for server, unit in seen:
        execute(server, "systemd-analyze", "security", "--no-pager", "--threshold=19", unit)
    assert {unit.partition("@")[0].removesuffix(".service") for _server, unit in seen} == {"mlflow", "mlflow-fastapi", "minio", "nginx", "postgresql"}


def test_an_upload_is_passed_on_while_it_arrives_and_leaves_nothing_when_it_breaks_off(client, groups, execute):
    (app,), (store,) = groups["mlflow_server"], groups["minio"]
    code = """
import base64, http.client, os, ssl, time
host, login = os.environ["MLFLOW_TRACKING_URI"].removeprefix("https://"), os.environ["MLFLOW_TRACKING_USERNAME"] + ":" + os.environ["MLFLOW_TRACKING_PASSWORD"]
server = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile="/root/ca.crt"))
server.putrequest("PUT", "/api/2.0/mlflow-artifacts/artifacts/broken.bin")
server.putheader("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
server.putheader("Content-Length", str(40 * 2**20))
server.endheaders(bytes(20 * 2**20))
time.sleep(10)
"""

    # What other tests have left: an upload to a store that is killed stays until the store's own rule ends it.
    before = set()

    def parts():
        # In one request, or in several.
        found = execute(store, "find", "/var/lib/minio/data/.minio.sys/multipart", "/var/lib/minio/data/.minio.sys/tmp", "-name", "part.*").stdout
        return {path for path in found.split() if "/.trash/" not in path} - before

    def wait_for(condition):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.2)

    before = parts()
    with ThreadPoolExecutor() as pool:
        upload = pool.submit(client, code)
        wait_for(parts)
        # Each server has a folder of its own.
        assert execute(app, "find", "/var/lib/mlflow/tmp", "-mindepth", "2", "!", "-name", "db_init_lock-*").stdout == ""
        upload.result()
    wait_for(lambda: not parts())
    assert execute(store, "find", "/var/lib/minio/data/mlflow", "-name", "broken.bin").stdout == ""


def test_wrong_password_is_refused(client):
    output = client(REQUEST + "print(requests.get(api, auth=login, **options).status_code, requests.get(api, **options).status_code)", password="wrong").stdout
    assert output.split() == ["401", "401"]


def test_right_password_is_accepted(client):
    assert client(REQUEST + "print(requests.get(api, auth=login, **options).status_code)").stdout.split() == ["200"]


def test_requests_needs_the_bundle_and_a_login_in_bytes(client):
    """As docs/clients.md says: what has MLflow's variables alone does not trust the site, and a plain text goes out as Latin-1."""
    output = client(
        """
import os, requests
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments/search?max_results=1"
name, password = os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
try: requests.get(url, timeout=30)
except requests.exceptions.SSLError: print("not trusted")
os.environ["REQUESTS_CA_BUNDLE"] = "/root/ca.crt"
print(requests.get(url, auth=(name.encode(), password.encode()), timeout=30).status_code, requests.get(url, auth=(name, password), timeout=30).status_code)
""",
        env={"REQUESTS_CA_BUNDLE": ""},
    ).stdout
    assert output.splitlines() == ["not trusted", "200 401"]


def test_wrong_host_is_refused(client):
    code = "print(requests.get(api, auth=login, headers={'Host': 'evil.example.com'}, **options).status_code)"
    assert client(REQUEST + code).stdout.split() == ["403"]


def test_plain_http_is_redirected(client):
    code = "answer = requests.get(api.replace('https', 'http', 1), **options); print(answer.status_code, answer.headers['Location'] == api)"
    status, same = client(REQUEST + code).stdout.split()
    assert status in ("301", "308")
    assert same == "True"


@pytest.mark.parametrize(("group", "port"), [("minio", 9000), ("postgres", 5432)])
def test_client_cannot_reach_what_is_behind_the_front(client, groups, group, port):
    code = f"import socket; socket.create_connection(({groups[group][0]!r}, {port}), timeout=5)"
    done = client(code, check=False)
    assert done.returncode != 0
    assert any(word in done.stderr for word in ("gaierror", "TimeoutError", "ConnectionRefusedError", "No route")), done.stderr


def test_database_refuses_plain_connections(groups, execute, secrets):
    """From the MLflow host, where TLS works: the login with sslmode=disable does not."""
    code = """
import os, psycopg2, sys
host, mode = sys.argv[1:]
psycopg2.connect(host=host, dbname="mlflow", user="mlflow", password=os.environ["DB_PASSWORD"], sslmode=mode)
"""
    (app,), (database,) = groups["mlflow_server"], groups["postgres"]
    env = {"DB_PASSWORD": secrets["vault_postgres_mlflow_password"]}
    argv = (app, "/opt/mlflow/current/bin/python", "-", execute(database, "hostname", "-I").stdout.split()[0])
    if app == database:
        pytest.skip("all in one: the database listens on loopback only")
    execute(*argv, "require", stdin=code, env=env)
    done = execute(*argv, "disable", stdin=code, env=env, check=False)
    assert "no encryption" in done.stderr


@pytest.mark.parametrize(("group", "unit"), [("minio", "minio"), ("mlflow_server", "mlflow"), ("nginx_tls", "nginx")])
def test_units_are_sandboxed(groups, execute, group, unit):
    """A write to /etc is refused in the unit's own view of the file system."""
    (host,) = groups[group]
    pid, user = execute(host, "systemctl", "show", "--value", "--property", "MainPID,User", unit).stdout.split("\n")[:2]
    assert pid != "0"
    # As the unit's user, since a container's root may not look into other users' processes; with more rights than the unit has.
    # The last is what nginx has: who looks into it must have that, too.
    rights = "+sys_admin,+sys_chroot,+dac_override,+net_bind_service"
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", f"--inh-caps={rights}", f"--ambient-caps={rights}") if user else ()
    done = execute(host, *become, "nsenter", "--target", pid, "--mount", "touch", "/etc/escaped", check=False)
    assert "Read-only file system" in done.stderr


def test_server_memory(groups, execute):
    """Both servers with the default settings, after use: less than a third of what four workers of `mlflow server` with jobs take."""
    (host,) = groups["mlflow_server"]
    found = json.loads(execute(host, "python3", "-", "memory", stdin=PROBE.read_text()).stdout)
    print(f"MLflow: {found}")
    assert found["processes"] == 4
    assert 100 < found["pss_mb"] <= 720


def test_a_server_that_was_left_behind_is_stopped(groups, tmp_path):
    """Seen in check mode: the same host, in an inventory where MLflow has moved to another one."""
    (host,) = groups["mlflow_server"]
    if host not in groups["postgres"]:
        pytest.skip("the host of MLflow has no other part, and would leave the site with it")
    hosts = {"postgres": {"hosts": {host: None}}, "mlflow_server": {"hosts": {"elsewhere": None}}}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"children": hosts, "vars": {"ansible_connection": "community.docker.docker"}}}))
    site = Path(__file__).parents[3] / "playbooks/site.yml"
    argv = ["ansible-playbook", str(site), "-i", str(inventory), "--limit", host, "--tags", "mlflow_server", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default"})
    assert "TASK [Stop it]" in done.stdout
    assert "changed=1 " in done.stdout


def test_no_keys_are_there_that_do_not_count(groups, execute):
    """All are in the vault: who saved others beside the database would have none of those that it needs."""
    (host,) = groups["mlflow_server"]
    assert execute(host, "test", "-e", "/var/lib/mlflow/mlflow.secrets.env", check=False).returncode == 1


@pytest.mark.one_scenario("site_all_in_one")
def test_every_route_answers_as_at_a_plain_server(groups, execute, secrets):
    """The front sends each path to the server that has it: nothing of MLflow's API is missing, or answered by somebody else."""
    (host,) = groups["mlflow_server"]
    ca = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory/.ca/nginx_tls.crt"
    execute(host, "sh", "-c", "cat > /run/site-ca.crt", stdin=ca.read_text())
    files = ("--property=EnvironmentFile=-/var/lib/mlflow/mlflow.secrets.env", "--property=EnvironmentFile=/etc/mlflow/mlflow.env")
    settings = {"MLFLOW_PORT": "5998", "MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    execute(
        host,
        "systemd-run",
        "--collect",
        "--unit=plain-mlflow",
        "--uid=mlflow",
        *files,
        *(f"--setenv={key}={value}" for key, value in settings.items()),
        "/opt/mlflow/current/bin/mlflow",
        "server",
    )
    try:
        execute(host, "sh", "-c", "for i in $(seq 120); do ss -Hltn sport = :5998 | grep -q . && exit 0; sleep 1; done; exit 1")
        env = {
            "PLAIN_URL": "http://127.0.0.1:5998",
            "SITE_URL": f"https://{os.environ['SITE_PUBLIC_NAME']}",
            "SITE_CA": "/run/site-ca.crt",
            "SITE_USER": "mlflow",
            "SITE_PASSWORD": secrets["vault_site_login_password"],
        }
        output = execute(host, "/opt/mlflow/current/bin/python", "-", stdin=(Path(__file__).parent / "routes.py").read_text(), env=env).stdout
    finally:
        execute(host, "systemctl", "kill", "--signal=KILL", "plain-mlflow")
    result = json.loads(output.splitlines()[-1])
    print(f"{result['routes']} routes, no answer in time from {result['slow']}")
    assert len(result["slow"]) < 10
    assert result["different"] == [], json.dumps(result["different"], indent=1)


def spellings(secret):
    """A secret as it is, and percent-encoded as in URIs."""
    return {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}


def test_no_secret_is_in_the_open(servers, execute, secrets):
    """Not in a command line, nor in the journal, nor in a file that everybody may read."""
    code = """
import json, os, pathlib, subprocess, sys
needles = [needle.encode() for needle in json.load(sys.stdin)]
places = {"journal": subprocess.run(["journalctl", "--no-pager", "--all"], capture_output=True).stdout}
assert len(places["journal"]) > 1000
own = str(os.getpid())
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if path.parent.name != own:
        try: places[str(path)] = path.read_bytes()
        except OSError: pass
for top in ("/etc", "/opt/mlflow", "/opt/minio", "/run", "/tmp", "/var/lib", "/var/log", "/root", "/home"):
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if name not in ("site-packages", "dpkg", "lists", "archives")]
        if not os.stat(folder).st_mode & 0o001: names[:] = []; continue
        for name in files:
            path = os.path.join(folder, name)
            try:
                state = os.lstat(path)
                if os.path.isfile(path) and not os.path.islink(path) and state.st_mode & 0o004 and state.st_size < 10**7:
                    places[path] = pathlib.Path(path).read_bytes()
            except OSError: pass
print(len(places), [place for place, content in places.items() if any(needle in content for needle in needles)])
"""
    needles = sorted(set().union(*(spellings(value) for value in secrets.values())))
    for host in servers:
        count, found = execute(host, "python3", "-c", code, stdin=json.dumps(needles)).stdout.split(maxsplit=1)
        assert int(count) > 100
        assert found.strip() == "[]", f"{host}: {found}"


def test_the_run_says_what_clients_need():
    log = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.log").read_text()
    for line in (f"export MLFLOW_TRACKING_URI=https://{os.environ['SITE_PUBLIC_NAME']}", "export MLFLOW_TRACKING_USERNAME=mlflow"):
        assert line in log
    assert "export REQUESTS_CA_BUNDLE=/" in log


@pytest.mark.one_scenario("site")
def test_a_run_says_what_clients_with_keys_need():
    log = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.log").read_text()
    for line in ("export MLFLOW_S3_ENDPOINT_URL=https://store.site-web", "export AWS_CA_BUNDLE=/", "# An access key of the store: vision, speech."):
        assert line in log


# In `site` artifacts are moved by a playbook for which the role runs alone.
@pytest.mark.one_scenario("site_all_in_one")
def test_roles_do_not_check_again_what_the_site_has_checked():
    log = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.log").read_text()
    for role in ("postgres", "minio", "mlflow_server", "nginx_tls"):
        assert f"TASK [mlops.mlflow.{role} : Validating arguments against arg spec 'preflight'" in log
        assert f"TASK [mlops.mlflow.{role} : Validating arguments against arg spec 'main'" not in log


def test_mlflow_was_installed_beside_the_other_parts(groups, execute):
    """By a job in the background, whose result Ansible leaves on the host."""
    for host in groups["mlflow_server"]:
        jobs = execute(host, "sh", "-c", "cat /root/.ansible_async/*").stdout
        assert '"packages"' in jobs


def test_no_secret_is_in_the_output_of_ansible(secrets):
    log = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ansible.log").read_text()
    assert "TASK [mlops.mlflow.mlflow_server : " in log
    for name, value in secrets.items():
        for spelling in spellings(value) | {value.replace("\\", "\\\\").replace('"', '\\"')}:
            assert spelling not in log, f"{name} is in Ansible's output"


def test_store_refuses_anonymous_access(groups, execute):
    (host,) = groups["mlflow_server"]
    code = """
import os, ssl, sys, urllib.request, urllib.error
endpoint = next(line.split("=", 1)[1].strip().strip('"') for line in open("/etc/mlflow/mlflow.env") if line.startswith("MLFLOW_S3_ENDPOINT_URL="))
try: urllib.request.urlopen(endpoint + "/mlflow/", context=ssl._create_unverified_context(), timeout=10); print(200)
except urllib.error.HTTPError as error: print(error.code)
"""
    assert execute(host, "python3", "-", stdin=code).stdout.strip() == "403"
