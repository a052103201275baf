"""Each line of CASES is refused with a text that says what to set instead, and leaves the machine as it was."""

import datetime
import itertools
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SCENARIO = Path(__file__).parent.parent
ROOT = SCENARIO.parent.parent
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
DEFAULTS = ROOT / "roles/mlflow_server/defaults/main.yml"
HOSTS = ("bad_input-debian12", "bad_input-debian13")

POSTGRES = {
    "postgres_users": [{"name": "mlflow", "password": "right-password"}],
    "postgres_databases": [{"name": name, "owner": "mlflow"} for name in ("mlflow", "newer", "older", "foreign_app")],
}
MINIO = {
    "minio_source_file": "{{ bench_s3_server_file }}",
    "minio_root_user": "admin",
    "minio_root_password": "long-enough",
    "minio_ca_bundle_file": "{{ bench_ca_file }}",
    "minio_uv_cache_dir": "{{ bench_uv_cache_dir }}",
}
MLFLOW = {
    "mlflow_server_hosts": ["{{ inventory_hostname }}"],
    "mlflow_server_ca_bundle_file": "{{ bench_ca_file }}",
    "mlflow_server_uv_cache_dir": "{{ bench_uv_cache_dir }}",
}
NGINX = {"nginx_tls_server_name": "mlflow.example.com", "nginx_tls_upstreams": ["127.0.0.1:5000"]}
FIREWALL = {"firewall_rules": [{"port": 5432, "sources": ["10.0.0.5"]}]}
GOOD = {"firewall": FIREWALL, "postgres": POSTGRES, "minio": MINIO, "mlflow_server": MLFLOW, "nginx_tls": NGINX}


def database(name="mlflow", password="right-password", port=5432):
    return {"mlflow_server_database": {"host": "127.0.0.1", "port": port, "name": name, "user": "mlflow", "password": password}}


def certificate(cert, key):
    return {
        "nginx_tls_certificate_source": "files",
        "nginx_tls_cert_file": str(WORK / f"{cert}.crt"),
        "nginx_tls_key_file": str(WORK / f"{key}.key"),
    }


OTHER_OS = {"case_facts": {"distribution": "Fedora", "distribution_version": "43", "distribution_major_version": "43", "distribution_release": "none"}}
SHARED = {"mlflow_server_hosts": ["{{ inventory_hostname }}", "other"]}
# A database with an old schema, as several hosts share it.
OLDER = {
    **database("older"),
    "mlflow_server_pool_size": 2,
    "mlflow_server_max_overflow": 2,
    "mlflow_server_flask_secret_key": "f" * 40,
    "mlflow_server_webhook_secret_key": "w" * 43 + "=",
    "mlflow_server_crypto_passphrase": "c" * 40,
}

ELSEWHERE = {
    "mlflow_server_name": "other",
    "mlflow_server_port": 5001,
    "mlflow_server_base_dir": "/opt/other",
    "mlflow_server_config_dir": "/etc/other",
    "mlflow_server_data_dir": "/var/lib/other",
}
# A version that is not installed.
OTHER_VERSION = next(
    path.name for path in sorted(ROOT.glob("roles/mlflow_server/files/locks/*")) if f"mlflow_server_version: {path.name}\n" not in DEFAULTS.read_text()
)
# No output may show it.
LOGIN = "mlflow:right-password"
TLS = {"mlflow_server_tls_enabled": True, "mlflow_server_tls_client_ca_files": ["/nonexistent.crt"]}

# (role, what is wrong, variables, what the message says)
CASES = [
    *[(role, "unsupported OS", OTHER_OS, r"Fedora 43.*Debian.*12") for role in GOOD],
    ("mlflow_server", "Python too old", {"mlflow_server_python": "/usr/local/bin/python3.9"}, r"Python 3\.9.*needs Python 3\.10.*mlflow_server_python"),
    ("mlflow_server", "Python missing", {"mlflow_server_python": "python3.99"}, r"python3\.99.*mlflow_server_python"),
    *[(role, "disk below the floor", {f"{role}_min_disk_mb": 10**9}, rf"free.*{role}_min_disk_mb") for role in ("postgres", "minio")],
    ("mlflow_server", "disk below the floor", {"mlflow_server_min_disk_mb": 10**9, "mlflow_server_version": OTHER_VERSION}, r"free.*mlflow_server_min_disk_mb"),
    *[(role, "memory below the floor", {f"{role}_min_memory_mb": 10**7}, rf"memory.*{role}_min_memory_mb") for role in ("postgres", "minio", "mlflow_server")],
    *[(role, "port taken", {f"{role}_port": 5999}, rf"5999.*python3.*{role}_port") for role in ("postgres", "minio", "mlflow_server")],
    ("nginx_tls", "port taken", {"nginx_tls_https_port": 5999}, r"5999.*python3.*nginx_tls_https_port"),
    ("mlflow_server", "both option sets", {"mlflow_server_uvicorn_opts": "--x", "mlflow_server_gunicorn_opts": "--y"}, r"exclude each other"),
    ("mlflow_server", "unknown engine", {"mlflow_server_engine": "waitress"}, r"mlflow_server_engine must be one of: uvicorn, gunicorn, both"),
    (
        "mlflow_server",
        "variables of the role in the environment",
        {"mlflow_server_environment": {"MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{LOGIN}@db/mlflow", "MLFLOW_PORT": 1}},
        r"MLFLOW_BACKEND_STORE_URI \(set mlflow_server_backend_store_uri\).*MLFLOW_PORT \(set mlflow_server_port\)",
    ),
    ("mlflow_server", "URI without driver", {"mlflow_server_backend_store_uri": "postgresql://mlflow:x@db/mlflow"}, r"postgresql\+psycopg2://"),
    ("mlflow_server", "URI that cannot be parsed", {"mlflow_server_backend_store_uri": "postgresql+psycopg2://my@pass@db"}, r"percent-encoded"),
    ("mlflow_server", "database twice", {**database(), "mlflow_server_backend_store_uri": "sqlite:////x"}, r"exclude each other.*Leave one of them empty"),
    ("mlflow_server", "database without a name", {"mlflow_server_database": {"host": "db"}}, r"needs a name.*mlflow_server_database"),
    ("mlflow_server", "word that a database has not", {"mlflow_server_database": {"name": "d", "passwd": "right-password"}}, r"mlflow_server_database.*passwd"),
    ("mlflow_server", "database unreachable", database(port=1), r"cannot be reached.*mlflow_server_database"),
    ("mlflow_server", "database login refused", database(password="wrong-password"), r"refuses the login of mlflow"),
    ("mlflow_server", "database login refused at the first installation", {**database(password="wrong-password"), **ELSEWHERE}, r"refuses the login of mlflow"),
    ("mlflow_server", "database newer than MLflow", database("newer"), r"newer than MLflow.*mlflow_server_version"),
    ("mlflow_server", "database of something else", database("foreign_app"), r"something else than MLflow"),
    (
        "mlflow_server",
        "pools exceed max_connections",
        {**database(), "mlflow_server_pool_size": 500},
        r"max_connections.*mlflow_server_pool_size|mlflow_server_pool_size.*max_connections",
    ),
    ("mlflow_server", "no worker", {"mlflow_server_fastapi_workers": 0}, r"mlflow_server_fastapi_workers.*at least 1"),
    ("mlflow_server", "TLS without clients", {"mlflow_server_tls_enabled": True}, r"mlflow_server_tls_client_ca_files lets nobody in"),
    ("mlflow_server", "TLS on a socket", {**TLS, "mlflow_server_socket": "/run/mlflow/mlflow.sock"}, r"excludes mlflow_server_socket"),
    ("mlflow_server", "CA of the clients missing", TLS, r"The controller has no /nonexistent\.crt"),
    ("mlflow_server", "version without lock", {"mlflow_server_version": "3.5.0"}, r"no lock.*mlflow_server_unlocked"),
    ("mlflow_server", "shared without secrets", {**database(), **SHARED}, r"mlflow_server_flask_secret_key"),
    (
        "mlflow_server",
        "schema change without the sibling",
        {**OLDER, **SHARED},
        r"change the schema of a database that other .*without --limit",
    ),
    ("mlflow_server", "SQLite with two hosts", SHARED, r"SQLite serves one host"),
    (
        "mlflow_server",
        "S3 endpoint without scheme",
        {"mlflow_server_artifacts_destination": "s3://mlflow", "mlflow_server_s3_endpoint_url": "s3.example.com:9000"},
        r"mlflow_server_s3_endpoint_url.*scheme",
    ),
    ("mlflow_server", "bucket name S3 forbids", {"mlflow_server_artifacts_destination": "s3://My_Bucket"}, r"S3 forbids.*My_Bucket"),
    ("minio", "bucket name S3 forbids", {"minio_buckets": [{"name": "My_Bucket"}]}, r"My_Bucket.*(3 to 63|lower)"),
    ("minio", "root password missing", {"minio_root_password": ""}, r"minio_root_password"),
    ("minio", "default login", {"minio_root_user": "minioadmin", "minio_root_password": "minioadmin"}, r"minioadmin"),
    ("minio", "address without checksum", {"minio_source_file": "", "minio_url": "http://127.0.0.1:5999/minio"}, r"minio_checksum"),
    ("minio", "login in the address", {"minio_source_file": "", "minio_url": f"http://{LOGIN}@127.0.0.1:5999/minio"}, r"minio_url.*without a login"),
    ("minio", "login in the own address", {"minio_endpoint_url": f"http://{LOGIN}@127.0.0.1:9000"}, r"minio_endpoint_url.*without a login"),
    ("postgres", "login in the address", {"postgres_pgdg_url": f"https://{LOGIN}@apt.example.com/pgdg"}, r"postgres_pgdg_url.*auth\.conf\.d"),
    ("mlflow_server", "login in the S3 endpoint", {"mlflow_server_s3_endpoint_url": f"https://{LOGIN}@s3.example.com"}, r"s3_endpoint_url.*neither a login"),
    ("minio", "file in the place of a data folder", {"minio_data_dirs": ["/etc/passwd"]}, r"/etc/passwd.* file.*folder"),
    ("minio", "file in the place of the link", {"minio_binary_file": "/usr/bin/env"}, r"minio_binary_file /usr/bin/env.* file.*another path"),
    ("minio", "checksum mismatch", {"minio_checksum": "sha256:" + "0" * 64}, r"(checksum|sha256|SHA-256)"),
    ("postgres", "password missing", {"postgres_users": [{"name": "mlflow", "password": ""}]}, r"password"),
    (
        "postgres",
        "password of a few letters",
        {"postgres_users": [{"name": "mlflow", "password": "letters"}]},
        r"mlflow in postgres_users.*mlops\.mlflow\.secrets",
    ),
    ("minio", "placeholder for the root password", {"minio_root_password": "CHANGE-ME"}, r"minio_root_password.*mlops\.mlflow\.secrets"),
    ("minio", "placeholder for a key", {"minio_users": [{"access_key": "mlflow", "secret_key": "CHANGE-ME"}]}, r"secret_key.*CHANGE-ME.*mlflow"),
    ("nginx_tls", "login of one letter", {"nginx_tls_users": [{"name": "alice", "password": "x"}]}, r"alice in nginx_tls_users.*mlops\.mlflow\.secrets"),
    ("nginx_tls", "placeholder for a login", {"nginx_tls_users": [{"name": "alice", "password": "Change-Me!"}]}, r"alice in nginx_tls_users.*CHANGE-ME"),
    ("postgres", "folder without a root", {"postgres_read_write_paths": ["-/srv/space", "srv/other"]}, r"srv/other.*absolute"),
    ("postgres", "plain connections", {"postgres_hba": [{"type": "host", "database": "all", "user": "all", "address": "0.0.0.0/0"}]}, r"hostssl"),
    ("nginx_tls", "certificate and key differ", certificate("good", "other"), r"(match|belong)"),
    ("nginx_tls", "certificate expired", certificate("expired", "good"), r"expired"),
    ("nginx_tls", "public name with scheme", {"nginx_tls_server_name": "https://mlflow.example.com"}, r"without a scheme"),
    ("nginx_tls", "public name with port", {"nginx_tls_server_name": "mlflow.example.com:8443"}, r"without a scheme, port"),
    ("nginx_tls", "TLS behind it without a name", {"nginx_tls_upstream_tls_enabled": True}, r"needs nginx_tls_upstream_tls_name"),
    (
        "nginx_tls",
        "CA of the servers behind missing",
        {"nginx_tls_upstream_tls_enabled": True, "nginx_tls_upstream_tls_name": "mlflow.internal", "nginx_tls_upstream_ca_files": ["/nonexistent.crt"]},
        r"The controller has no /nonexistent\.crt",
    ),
    ("firewall", "name for an address", {"firewall_rules": [{"port": 1, "sources": ["db.example.com"]}]}, r"'db\.example\.com' is neither.*write addresses"),
    ("firewall", "bits behind the mask", {"firewall_rules": [{"port": 1, "sources": ["10.0.0.5/24"]}]}, r"Write 10\.0\.0\.5 or 10\.0\.0\.0/24"),
    ("firewall", "port beyond the last", {"firewall_rules": [{"port": 65536, "sources": []}]}, r"port 65536 is not from 1 to 65535"),
    ("firewall", "name of several words", {"firewall_name": "my table"}, r"firewall_name \(my table\) must begin"),
    ("nginx_tls", "no upstream", {"nginx_tls_upstreams": []}, r"nginx_tls_upstreams"),
    ("nginx_tls", "realm with a backslash", {"nginx_tls_auth_realm": "a\\b"}, r"nginx_tls_auth_realm must hold no double quote, backslash"),
    ("nginx_tls", "header with a backslash", {"nginx_tls_response_headers": {"X-A": "a\\b"}}, r"as a.b does"),
    ("nginx_tls", "two sources in one", {"nginx_tls_script_sources": ["'self' https://x.example"]}, r"not 'self' https://x.example"),
]


def write_certificates():
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("good", "other")}
    for name, key in keys.items():
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (WORK / f"{name}.key").write_bytes(pem)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mlflow.example.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    for name, end in (("good", now + 90 * day), ("expired", now - day)):
        cert = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(keys["good"].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * day)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("mlflow.example.com")]), critical=False)
            .sign(keys["good"], hashes.SHA256())
        )
        (WORK / f"{name}.crt").write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def changed_files(host):
    """What changed on the machine since the last call, but for what runs anyway (logs, caches, the services' own data): files, and folders come or gone."""
    ignored = ("/proc", "/sys", "/run", "/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/root", "/var/lib/postgresql", "/var/lib/mlflow", "/var/tmp")
    look = "find / -xdev -not \\( " + " ".join(f"-path '{path}*' -o" for path in ignored) + " -false \\)"
    script = f"""
        {look} -type d | sort >/root/folders.now
        if [ -e /root/stamp ]; then diff /root/folders /root/folders.now; {look} -not -type d -cnewer /root/stamp; fi
        mv /root/folders.now /root/folders; touch /root/stamp; sleep 0.02"""
    return subprocess.run(["docker", "exec", host, "sh", "-c", script], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def run_role(host, role, variables, number=0, options=()):
    """Run a role on a host, or on several that are separated by commas."""
    extra = WORK / f"case-{host}-{number}.json"
    extra.write_text(json.dumps({**GOOD[role], **variables, "case_role": role}))
    argv = ["ansible-playbook", "-i", str(WORK / "inventory"), "--limit", host, "-e", f"@{extra}", str(SCENARIO / "case.yml"), *options]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default"})


def run_cases(host, cases):
    changed_files(host)
    results = {}
    for number, (role, title, variables, _message) in cases:
        done = run_role(host, role, variables, number)
        results[role, title] = (done.returncode, done.stdout + done.stderr, changed_files(host))
    return results


@pytest.fixture(scope="module")
def results():
    """All cases, half on each machine, the machines side by side."""
    write_certificates()
    numbered = list(enumerate(CASES))
    with ThreadPoolExecutor(len(HOSTS)) as lanes:
        parts = lanes.map(run_cases, HOSTS, [numbered[index :: len(HOSTS)] for index in range(len(HOSTS))])
        return dict(itertools.chain.from_iterable(part.items() for part in parts))


@pytest.mark.parametrize(("role", "title", "message"), [(role, title, message) for role, title, _variables, message in CASES], ids=lambda value: value)
def test_bad_input_is_refused(results, role, title, message):
    status, output, changed = results[role, title]
    assert status != 0, output[-3000:]
    failure = " ".join(output[output.index("[ERROR]") if "[ERROR]" in output else output.index("fatal:") :].split())
    assert re.search(message, failure), failure[:3000]
    assert "right-password" not in output
    assert "wrong-password" not in output
    assert changed == []


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("role", ["postgres", "mlflow_server"])
def test_corrected_input_converges_without_a_change(role):
    """What ran before the refusals still runs, and needs nothing."""
    done = run_role(HOSTS[0], role, {})
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"changed=0 ", done.stdout), done.stdout[-3000:]


def numbers_as_text(role):
    """All numbers among the defaults of a role, as the command line and many inventories give them."""
    spec = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    return {name: str(option["default"]) for name, option in spec.items() if option.get("type") == "int" and isinstance(option.get("default"), int)}


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("role", GOOD)
def test_numbers_may_be_text_and_facts_are_gathered_where_they_are_missing(role):
    """What runs needs no change; what does not is planned."""
    runs = role in ("postgres", "mlflow_server")
    variables = {**numbers_as_text(role), "case_gather_facts": False}
    done = run_role(HOSTS[0], role, variables, options=() if runs else ("--check",))
    assert done.returncode == 0, done.stdout[-3000:]
    assert not runs or re.search(r"changed=0 ", done.stdout), done.stdout[-3000:]


@pytest.mark.usefixtures("results")
def test_a_schema_is_not_changed_host_by_host():
    """With serial: 1 the second host would serve on with old code from the new schema."""
    variables = {**OLDER, "mlflow_server_hosts": list(HOSTS), "case_serial": 1}
    changed_files(HOSTS[0])
    done = run_role(",".join(HOSTS), "mlflow_server", variables)
    assert done.returncode != 0
    assert re.search(rf"change the schema of a database that {HOSTS[1]} .*without --limit and\s+serial", done.stdout + done.stderr), done.stdout[-3000:]
    assert changed_files(HOSTS[0]) == []
    assert f"{HOSTS[1]} " not in done.stdout.split("PLAY RECAP")[1]
