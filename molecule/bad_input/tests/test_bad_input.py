"""Each line of CASES is refused with a text that says what to set instead, and leaves the machine as it was."""

import datetime
import json
import os
import re
import subprocess
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
MACHINE = "bad_input-debian13"

POSTGRES = {
    "postgres_users": [{"name": "mlflow", "password": "right-password"}],
    "postgres_databases": [{"name": name, "owner": "mlflow"} for name in ("mlflow", "newer", "older", "foreign_app", "locked_away", "proxied")],
}
MINIO = {
    "minio_source_file": "{{ test_s3_server_file }}",
    "minio_root_user": "admin",
    "minio_root_password": "long-enough",
    "minio_ca_bundle_file": "{{ test_ca_file }}",
    "minio_uv_cache_dir": "{{ test_uv_cache_dir }}",
}
MLFLOW = {
    "mlflow_server_hosts": ["{{ inventory_hostname }}"],
    "mlflow_server_ca_bundle_file": "{{ test_ca_file }}",
    "mlflow_server_uv_cache_dir": "{{ test_uv_cache_dir }}",
}
NGINX = {"nginx_tls_server_name": "mlflow.example.com", "nginx_tls_upstreams": ["127.0.0.1:5000"]}
PROXY = {
    "oauth2_proxy_source_file": str(DEFAULTS),
    "oauth2_proxy_issuer_url": "https://login.example.com/realms/main",
    "oauth2_proxy_client_id": "mlflow",
    "oauth2_proxy_client_secret": "right-password",
    "oauth2_proxy_cookie_secret": "c" * 32,
    "oauth2_proxy_redirect_url": "https://mlflow.example.com/oauth2/callback",
    "oauth2_proxy_allowed_groups": ["mlflow"],
}
FIREWALL = {"firewall_rules": [{"port": 5432, "sources": ["10.0.0.5"]}]}
BACKUP = {
    "backup_databases": {"tracking": {"host": "127.0.0.1", "name": "mlflow", "user": "mlflow", "password": "right-password"}},
    "backup_artifacts": {"type": "folder", "path": "/srv/artifacts"},
    "backup_destination": {"type": "folder", "path": "/srv/backup"},
    "backup_encryption_password": "right-password",
}
GOOD = {"backup": BACKUP, "firewall": FIREWALL, "postgres": POSTGRES, "minio": MINIO, "mlflow_server": MLFLOW, "nginx_tls": NGINX, "oauth2_proxy": PROXY}


def database(name="mlflow", password="right-password", port=5432):
    return {"mlflow_server_database": {"host": "127.0.0.1", "port": port, "name": name, "user": "mlflow", "password": password}}


def certificate(cert, key):
    return {"nginx_tls_certificate_source": "files", "nginx_tls_cert_file": str(WORK / cert), "nginx_tls_key_file": str(WORK / key)}


def acme(**others):
    return {
        "nginx_tls_certificate_source": "acme",
        "nginx_tls_acme_terms_agreed": True,
        **{f"nginx_tls_{name}": value for name, value in others.items()},
    }


def clients(*names):
    return {
        "nginx_tls_client_certificates_enabled": True,
        "nginx_tls_client_certificates": list(names),
        "nginx_tls_client_certificate_fetch_dir": str(WORK / "clients"),
    }


def proxy(**others):
    return {f"oauth2_proxy_{name}": value for name, value in others.items()}


def routes(*others):
    return {"nginx_tls_routes": [{"name": "mine", "paths": ["^/mine/"], "upstreams": ["127.0.0.1:5001"], **other} for other in others]}


def options(role):
    return yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


CHOICES = {role: [name for name, option in options(role).items() if "choices" in option] for role in GOOD}


OTHER_OS = {"case_facts": {"distribution": "Fedora", "distribution_version": "43", "distribution_major_version": "43", "distribution_release": "none"}}
DEBIAN_12 = {"case_facts": {"distribution": "Debian", "distribution_version": "12", "distribution_major_version": "12", "distribution_release": "bookworm"}}
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
MARIADB = {"driver": "mysql+pymysql", "host": "db", "name": "auth", "user": "mlflow", "password": "right-password"}


def login(password="right-password", **others):
    return {"mlflow_server_login": "basic-auth", "mlflow_server_admin_password": password, "mlflow_server_default_permission": "READ", **others}


def sign_on(**others):
    words = {"issuer_url": "https://sso.example.com/realms/main", "client_id": "mlflow", "client_secret": "right-password"}
    words |= {"redirect_url": "https://mlflow.example.com/callback", **others.pop("oidc", {})}
    words = {f"mlflow_server_oidc_{name}": value for name, value in words.items()}
    return {"mlflow_server_login": "oidc", "mlflow_server_default_permission": "READ", **words, **others}


# A version that is not installed.
OTHER_VERSION = next(
    path.name for path in sorted(ROOT.glob("roles/mlflow_server/files/locks/*")) if f"mlflow_server_version: {path.name}\n" not in DEFAULTS.read_text()
)
# No output may show it.
LOGIN = "mlflow:right-password"
STORE = {"nginx_tls_store_url": "https://s3:9000", "nginx_tls_store_name": "store.example.com", "nginx_tls_store_bucket": "mlflow"}
S3 = {
    "mlflow_server_artifacts_destination": "s3://mlflow",
    "mlflow_server_s3_access_key_id": "mlflow",
    "mlflow_server_s3_secret_access_key": "right-password",
}
AZURE = {"mlflow_server_artifacts_destination": "wasbs://mlflow@account.blob.core.windows.net"}
GCS = {"mlflow_server_artifacts_destination": "gs://mlflow"}
GOOGLE_KEY = {"type": "service_account", "client_email": "me", "private_key": "right-password", "token_uri": "https://example.com"}
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
    ("mlflow_server", "no restore point kept", {"mlflow_server_keep_versions": 0}, r"mlflow_server_keep_versions.*at least 1"),
    ("mlflow_server", "restore points among the data", {"mlflow_server_restore_dir": "/var/lib/mlflow/restore"}, r"not be in /var/lib/mlflow"),
    ("mlflow_server", "TLS without clients", {"mlflow_server_tls_enabled": True}, r"mlflow_server_tls_client_ca_files lets nobody in"),
    ("mlflow_server", "TLS on a socket", {**TLS, "mlflow_server_socket": "/run/mlflow/mlflow.sock"}, r"excludes mlflow_server_socket"),
    ("mlflow_server", "CA of the clients missing", TLS, r"The controller has no /nonexistent\.crt"),
    ("mlflow_server", "version without lock", {"mlflow_server_version": "3.5.0"}, r"no lock.*mlflow_server_unlocked"),
    ("mlflow_server", "shared without secrets", {**database(), **SHARED}, r"mlflow_server_flask_secret_key"),
    (
        "mlflow_server",
        "schema change without the sibling",
        {**OLDER, **SHARED},
        r"change the schema or the keys of a database that other .*without --limit",
    ),
    ("mlflow_server", "SQLite with two hosts", SHARED, r"SQLite serves one host"),
    (
        "mlflow_server",
        "S3 endpoint without scheme",
        {"mlflow_server_artifacts_destination": "s3://mlflow", "mlflow_server_s3_endpoint_url": "s3.example.com:9000"},
        r"mlflow_server_s3_endpoint_url.*scheme",
    ),
    ("mlflow_server", "bucket name S3 forbids", {"mlflow_server_artifacts_destination": "s3://My_Bucket"}, r"S3 forbids.*My_Bucket"),
    ("mlflow_server", "address without its bucket", {"mlflow_server_artifacts_destination": "s3:/mlflow"}, r"s3:/mlflow is no address for artifacts"),
    *[
        ("mlflow_server", f"Azure URI {number}", {"mlflow_server_artifacts_destination": uri}, rf"does not understand {uri}\. Azure Blob is wasbs://CONTAINER@")
        for number, uri in enumerate(("wasbs://files@account.example.com", "wasbs://files", "wasb://files@account.blob.core.windows.net"))
    ],
    ("mlflow_server", "key of Azure for S3", {**S3, "mlflow_server_azure_storage_access_key": "right-password"}, r"are for wasbs:// in mlflow_server_artif"),
    (
        "mlflow_server",
        "two keys of Azure",
        {**AZURE, "mlflow_server_azure_storage_access_key": "right-password", "mlflow_server_azure_storage_connection_string": "right-password"},
        r"Set mlflow_server_azure_storage_connection_string or mlflow_server_azure_storage_access_key, not both",
    ),
    (
        "mlflow_server",
        "key of Azure set twice",
        {**AZURE, "mlflow_server_azure_storage_access_key": "right-password", "mlflow_server_environment": {"AZURE_STORAGE_ACCESS_KEY": "x"}},
        r"may not hold AZURE_STORAGE_ACCESS_KEY \(set mlflow_server_azure_storage_access_key\)",
    ),
    ("mlflow_server", "key of Google for S3", {**S3, "mlflow_server_gcs_credentials": GOOGLE_KEY}, r"mlflow_server_gcs_credentials is for gs:// in"),
    *[
        ("mlflow_server", f"key of Google {number}", {**GCS, "mlflow_server_gcs_credentials": key}, r"must be the whole JSON of a key as Google gives it")
        for number, key in enumerate(("right-password", "[]", {**GOOGLE_KEY, "private_key": ""}))
    ],
    ("mlflow_server", "store that does not answer", {**S3, "mlflow_server_s3_endpoint_url": "http://127.0.0.1:9"}, r"nothing answers there.*s3_endpoint_url"),
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
    ("nginx_tls", "certificate and key differ", certificate("good.crt", "other.key"), r"(match|belong)"),
    ("nginx_tls", "certificate expired", certificate("expired.crt", "good.key"), r"expired"),
    ("nginx_tls", "public name with scheme", {"nginx_tls_server_name": "https://mlflow.example.com"}, r"without a scheme"),
    ("nginx_tls", "public name with port", {"nginx_tls_server_name": "mlflow.example.com:8443"}, r"without a scheme, port"),
    ("nginx_tls", "TLS behind it without a name", {"nginx_tls_upstream_tls_enabled": True}, r"needs nginx_tls_upstream_tls_name"),
    (
        "nginx_tls",
        "CA of the servers behind missing",
        {"nginx_tls_upstream_tls_enabled": True, "nginx_tls_upstream_tls_name": "mlflow.internal", "nginx_tls_upstream_ca_files": ["/nonexistent.crt"]},
        r"The controller has no /nonexistent\.crt",
    ),
    ("backup", "destination in the source", {"backup_destination": {"type": "folder", "path": "/srv/artifacts/backup"}}, r"same place as backup_artifacts"),
    ("backup", "nothing to save", {"backup_databases": {}}, r"backup_databases needs tracking"),
    ("backup", "no destination", {"backup_destination": {}}, r"backup_destination needs a type, one of folder, s3, rclone"),
    ("backup", "trials in what is saved", {"backup_check_database": BACKUP["backup_databases"]["tracking"]}, r"backup_check_database is the same database"),
    ("backup", "database without a backup", {"backup_databases": {"tracking": f"mysql+pymysql://{LOGIN}@db/mlflow"}}, r"tracking is a database of mysql"),
    ("backup", "no key", {"backup_encryption_password": ""}, r"backup_encryption_password must have at least 8 characters"),
    ("backup", "key of two lines", {"backup_encryption_password": "right-password\nsecond"}, r"must not hold line breaks"),
    ("backup", "secrets in the clear", {"backup_encrypted": False, "backup_secret_files": ["/etc/x"]}, r"go into encrypted backups alone"),
    ("backup", "relative path of a secret", {"backup_secret_files": ["etc/x"]}, r"backup_secret_files must be absolute paths, not etc/x"),
    ("backup", "name that leads elsewhere", {"backup_secret_texts": {"../x": "right-password"}}, r"must be those of files.*\.\./x is not"),
    ("backup", "retention 0", {"backup_keep_at_least": 0}, r"backup_keep_at_least \(0\) must be 1 or more"),
    ("backup", "retention below 0", {"backup_keep_daily": -1}, r"backup_keep_daily.* must be 0 or more, not -1"),
    ("backup", "folder that systemd would split", {"backup_state_dir": "/srv/my work"}, r"backup_state_dir.*which /srv/my work, /srv/my work/metrics is not"),
    ("backup", "group that is none", {"backup_groups": ["a group"]}, r"backup_groups must be names of groups, which a group is not"),
    ("backup", "group that is not there", {"backup_groups": ["nosuch"]}, r"there is no group nosuch"),
    ("backup", "file in the place of a folder", {"backup_destination": {"type": "folder", "path": "/etc/hostname"}}, r"/etc/hostname is a file"),
    ("backup", "time that is none", {"backup_calendar": "now and then"}, r"backup_calendar.*OnCalendar.*now and then"),
    ("firewall", "name for an address", {"firewall_rules": [{"port": 1, "sources": ["db.example.com"]}]}, r"'db\.example\.com' is neither.*write addresses"),
    ("firewall", "bits behind the mask", {"firewall_rules": [{"port": 1, "sources": ["10.0.0.5/24"]}]}, r"Write 10\.0\.0\.5 or 10\.0\.0\.0/24"),
    ("firewall", "port beyond the last", {"firewall_rules": [{"port": 65536, "sources": []}]}, r"port 65536 is not from 1 to 65535"),
    ("firewall", "name of several words", {"firewall_name": "my table"}, r"firewall_name \(my table\) must begin"),
    ("nginx_tls", "no upstream", {"nginx_tls_upstreams": []}, r"nginx_tls_upstreams"),
    ("nginx_tls", "realm with a backslash", {"nginx_tls_auth_realm": "a\\b"}, r"nginx_tls_auth_realm must hold no double quote, backslash"),
    ("nginx_tls", "header with a backslash", {"nginx_tls_response_headers": {"X-A": "a\\b"}}, r"as a.b does"),
    ("mlflow_server", "two servers at one port", {"mlflow_server_engine": "both", "mlflow_server_fastapi_port": 5000}, r"a port each"),
    (
        "mlflow_server",
        "two sockets in a folder",
        {"mlflow_server_engine": "both", "mlflow_server_socket": "/run/mlflow/a.sock", "mlflow_server_fastapi_socket": "/run/mlflow/b.sock"},
        r"folder of the socket each",
    ),
    (
        "mlflow_server",
        "port of the second server taken",
        {"mlflow_server_engine": "both", "mlflow_server_fastapi_port": 5999},
        r"5999.*mlflow_server_fastapi_port",
    ),
    ("mlflow_server", "key of webhooks that is none", {"mlflow_server_webhook_secret_key": "w"}, r"mlflow_server_webhook_secret_key must be a Fernet key"),
    ("mlflow_server", "short passphrase", {"mlflow_server_crypto_passphrase": "c" * 31}, r"mlflow_server_crypto_passphrase must be at least 32"),
    ("mlflow_server", "hosts without this one", {"mlflow_server_hosts": ["other"]}, r"mlflow_server_hosts \(other\) must name this host"),
    ("mlflow_server", "artifacts that nobody serves", {"mlflow_server_serve_artifacts": False}, r"set mlflow_server_default_artifact_root"),
    (
        "mlflow_server",
        "experiments stranded",
        {**database("proxied"), "mlflow_server_workers": 1, "mlflow_server_serve_artifacts": False, "mlflow_server_default_artifact_root": "s3://mlflow"},
        r"would strand 1 experiments in mlflow-artifacts:, such as vision \(7\): clients ask MLflow.*migrate_artifacts\.yml",
    ),
    ("mlflow_server", "half a key of S3", {"mlflow_server_s3_access_key_id": "AKIA"}, r"Set both mlflow_server_s3_access_key_id"),
    (
        "mlflow_server",
        "CA of the database missing",
        {"mlflow_server_backend_ca_file": "/nonexistent.crt"},
        r"no /nonexistent\.crt\. Set mlflow_server_backend_ca",
    ),
    ("mlflow_server", "nothing kept of what is deleted", {"mlflow_server_gc_days": 0}, r"mlflow_server_gc_days must be at least 1"),
    (
        "mlflow_server",
        "cleanup with workspaces",
        {"mlflow_server_gc_enabled": True, "mlflow_server_workspaces_enabled": True},
        r"mlflow_server_gc_enabled knows no workspaces",
    ),
    ("mlflow_server", "login without a permission", {"mlflow_server_login": "basic-auth"}, r"Set mlflow_server_default_permission.*READ"),
    ("mlflow_server", "login with a short password", login(password="elevenchars"), r"mlflow_server_admin_password must be 12"),
    ("mlflow_server", "login with the shipped password", login(password="password1234"), r"mlflow_server_admin_password.*not the one"),
    ("mlflow_server", "login with another letter", login(password="a password with é"), r"mlflow_server_admin_password.*ASCII"),
    ("mlflow_server", "administrator with a colon", login(mlflow_server_admin_username="a:b"), r"mlflow_server_admin_username.*without a colon"),
    ("mlflow_server", "login that hashes all the time", login(mlflow_server_login_cache_seconds=0), r"mlflow_server_login_cache_seconds must be at least 1"),
    ("mlflow_server", "users on MariaDB", login(mlflow_server_auth_database={**MARIADB}), r"login in a database of mysql.*mlflow_server_auth_database"),
    ("mlflow_server", "users without a login", {"mlflow_server_users": [{"name": "alice"}]}, r"mlflow_server_users.*need mlflow_server_login=basic-auth"),
    ("mlflow_server", "user twice", login(mlflow_server_users=[{"name": "alice"}] * 2), r"mlflow_server_users names alice more than once"),
    ("mlflow_server", "word that a user has not", login(mlflow_server_users=[{"name": "alice", "passwort": "x"}]), r"mlflow_server_users.*passwort"),
    ("mlflow_server", "sign-on in an old version", sign_on(mlflow_server_version="3.12.0"), r"login=oidc needs MLflow 3\.16 or newer, not 3\.12\.0"),
    (
        "mlflow_server",
        "sign-on with an old Python",
        sign_on(mlflow_server_python="/usr/local/bin/python3.9"),
        r"Python 3\.9.*with mlflow_server_login=oidc needs Python 3\.12",
    ),
    ("mlflow_server", "sign-on without a permission", sign_on(mlflow_server_default_permission=""), r"Set mlflow_server_default_permission.*READ"),
    ("mlflow_server", "sign-on in front of gunicorn", sign_on(mlflow_server_engine="both"), r"set mlflow_server_engine=uvicorn"),
    ("mlflow_server", "sign-on with jobs", sign_on(mlflow_server_jobs_enabled=True), r"leave mlflow_server_jobs_enabled and"),
    ("mlflow_server", "sign-on with workspaces", sign_on(mlflow_server_workspaces_enabled=True), r"mlflow_server_workspaces_enabled off"),
    ("mlflow_server", "sign-on without a secret", sign_on(oidc={"client_secret": ""}), r"login=oidc needs mlflow_server_oidc_client_secret,"),
    ("mlflow_server", "sign-on without a client", sign_on(oidc={"client_id": ""}), r"needs mlflow_server_oidc_client_id, mlflow_server_oidc_audience,"),
    ("mlflow_server", "provider in plain text", sign_on(oidc={"issuer_url": "http://sso.example.com"}), r"with https.*not 'http://sso\.example\.com'"),
    ("mlflow_server", "provider that nobody named", sign_on(oidc={"issuer_url": ""}), r"mlflow_server_oidc_issuer_url.*not ''"),
    ("mlflow_server", "way back in plain text", sign_on(oidc={"redirect_url": "http://m.example.com/callback"}), r"with https.*not 'http://m\.example"),
    ("mlflow_server", "way back to elsewhere", sign_on(oidc={"redirect_url": "https://m.example.com/back"}), r"with the path /callback"),
    ("mlflow_server", "groups that nobody named", sign_on(oidc={"admin_groups": []}), r"admin_groups must name a group each"),
    ("mlflow_server", "two groups as one", sign_on(oidc={"groups": ["a,b"]}), r"names without commas, not 'a,b'"),
    ("mlflow_server", "authority of a provider missing", sign_on(oidc={"ca_file": "/nonexistent.crt"}), r"no /nonexistent\.crt.*mlflow_server_oidc_ca_file"),
    ("mlflow_server", "passwords with sign-on", sign_on(mlflow_server_users=[{"name": "alice"}]), r"mlflow_server_users.*need mlflow_server_login=basic-auth"),
    (
        "mlflow_server",
        "variables of sign-on in the environment",
        sign_on(mlflow_server_environment={"OIDC_VERIFY_SSL": "true", "SESSION_COOKIE_SECURE": "false"}),
        r"may not hold SESSION_COOKIE_SECURE \(set mlflow_server_login\)",
    ),
    ("mlflow_server", "workspaces without the switch", {"mlflow_server_workspaces": [{"name": "team-a"}]}, r"needs mlflow_server_workspaces_enabled"),
    (
        "mlflow_server",
        "workspaces in a version that refuses artifacts",
        login(mlflow_server_workspaces_enabled=True, mlflow_server_version="3.12.0"),
        r"Set mlflow_server_version to 3\.13 or newer",
    ),
    ("mlflow_server", "workspaces switched off again", database("spaces"), r"holds 2 workspaces besides.*set mlflow_server_workspaces_enabled"),
    ("mlflow_server", "open to others without names", {"mlflow_server_host": "0.0.0.0"}, r"set mlflow_server_allowed_hosts"),
    ("mlflow_server", "socket outside /run", {"mlflow_server_socket": "/tmp/mlflow.sock"}, r"below /run.*not /tmp/mlflow\.sock"),
    (
        "mlflow_server",
        "jobs without TCP",
        {"mlflow_server_jobs_enabled": True, "mlflow_server_socket": "/run/mlflow/mlflow.sock"},
        r"Jobs call the server over TCP",
    ),
    (
        "mlflow_server",
        "schema and keys at once",
        {
            **database("rekeyed"),
            "mlflow_server_pool_size": 2,
            "mlflow_server_max_overflow": 2,
            "mlflow_server_webhook_secret_key": "w" * 43 + "=",
            "mlflow_server_former_webhook_secret_key": "f" * 43 + "=",
        },
        r"would change the schema of the database, and stored secrets.*upgrade first, with the former keys",
    ),
    ("mlflow_server", "secrets of another key", database("locked_away"), r"holds webhook secrets.*mlflow_server_webhook_secret_key"),
    ("minio", "root user of two letters", {"minio_root_user": "ab"}, r"minio_root_user must be set"),
    ("minio", "line break in the root user", {"minio_root_user": "admin\nx"}, r"minio_root_user and minio_root_password must not hold line breaks"),
    (
        "minio",
        "machine without a release",
        {"case_facts": {"architecture": "riscv64"}, "minio_source_file": ""},
        r"no release for riscv64: set minio_source_file",
    ),
    ("minio", "checksum of another kind", {"minio_checksum": "md5:0"}, r"minio_checksum must be 'sha256:'"),
    ("minio", "scheme of the own address", {"minio_endpoint_url": "https://127.0.0.1:9000"}, r"minio_endpoint_url must begin with http://"),
    ("minio", "port beyond the last", {"minio_port": 65536}, r"between 1 and 65535, not 65536"),
    ("minio", "console at the same port", {"minio_console_enabled": True, "minio_console_port": 9000}, r"must differ, both are 9000"),
    ("minio", "port of the console taken", {"minio_console_enabled": True, "minio_console_port": 5999}, r"5999.*minio_console_port"),
    ("minio", "no data folder", {"minio_data_dirs": []}, r"minio_data_dirs must hold at least one"),
    ("minio", "warning beyond a full disk", {"minio_disk_warning_percent": 101}, r"minio_disk_warning_percent is 101"),
    ("minio", "quota without its unit", {"minio_buckets": [{"name": "mlflow", "quota": 500}]}, r"is 500 bytes, which hold nothing"),
    ("minio", "quota that is no size", {"minio_buckets": [{"name": "mlflow", "quota": "much"}]}, r"like 100G, not much"),
    ("minio", "data folder with a blank", {"minio_data_dirs": ["/srv/my data"]}, r"/srv/my data is not"),
    ("minio", "data folder of the system", {"minio_data_dirs": ["/var"]}, r"for this server alone, not /var"),
    ("minio", "certificate of its own not named", {"minio_tls_enabled": True, "minio_tls_source": "files"}, r"needs minio_tls_cert_file"),
    # The other roles always have a name for it.
    (
        "certificate",
        "certificate for no name",
        {f"certificate_{kind}path": f"/etc/none/{kind}" for kind in ("", "key_", "ca_", "ca_key_")},
        r"at least one name",
    ),
    ("minio", "bucket twice", {"minio_buckets": [{"name": "mlflow"}, {"name": "mlflow"}]}, r"mlflow is there more than once in minio_buckets"),
    (
        "minio",
        "policy twice",
        {"minio_policies": [{"name": "mine", "bucket": "mlflow"}, {"name": "mine", "bucket": "mlflow", "prefix": "team"}]},
        r"mine is there more than once in minio_policies",
    ),
    ("minio", "user twice", {"minio_users": [{"access_key": "mlflow", "secret_key": "long-enough"}] * 2}, r"mlflow is there more than once in minio_users"),
    ("minio", "group twice", {"minio_groups": [{"name": "team"}, {"name": "team"}]}, r"team is there more than once in minio_groups"),
    ("minio", "policy without content", {"minio_policies": [{"name": "mine"}]}, r"either policy or bucket, and mine has none"),
    (
        "minio",
        "folder of a policy that stands for others",
        {"minio_policies": [{"name": "mine", "bucket": "mlflow", "prefix": "team*"}]},
        r"prefix in minio_policies of mine must be the name of a folder",
    ),
    (
        "mlflow_server",
        "public address of the store with a path",
        {"mlflow_server_artifacts_destination": "s3://mlflow", "mlflow_server_s3_public_url": "https://store.example.com/mlflow"},
        r"mlflow_server_s3_public_url must have its scheme and neither",
    ),
    (
        "nginx_tls",
        "address of the store with a path",
        {"nginx_tls_store_url": "https://s3.example.com/mlflow"},
        r"nginx_tls_store_url is 'https.*host and port",
    ),
    (
        "nginx_tls",
        "store by the name of the site",
        {**STORE, "nginx_tls_store_name": "mlflow.example.com"},
        r"nginx_tls_store_name is .*a host name of its own",
    ),
    ("nginx_tls", "public store without a bucket", {**STORE, "nginx_tls_store_bucket": ""}, r"nginx_tls_store_name needs nginx_tls_store_url"),
    ("nginx_tls", "uploads smaller than their parts", {**STORE, "nginx_tls_client_max_body_size": "9m"}, r"max_body_size is 9m.*parts of 10 MiB"),
    ("nginx_tls", "CA of the store that is not there", {**STORE, "nginx_tls_store_ca_file": "/nowhere/ca.crt"}, r"The controller has no /nowhere/ca.crt"),
    ("minio", "bucket name S3 forbids in a policy", {"minio_policies": [{"name": "mine", "bucket": "My_Bucket"}]}, r"My_Bucket"),
    ("minio", "short access key", {"minio_users": [{"access_key": "me", "secret_key": "long-enough"}]}, r"access_key.*not me"),
    ("minio", "user with the name of root", {"minio_users": [{"access_key": "admin", "secret_key": "long-enough"}]}, r"root user, admin"),
    ("minio", "user without a secret", {"minio_users": [{"access_key": "mlflow"}]}, r"secret_key is missing in minio_users for mlflow"),
    ("minio", "long secret", {"minio_users": [{"access_key": "mlflow", "secret_key": "x" * 41}]}, r"8 to 40 characters for mlflow"),
    (
        "minio",
        "user with an unknown policy",
        {"minio_users": [{"access_key": "mlflow", "secret_key": "long-enough", "policies": ["mine"]}]},
        r"users name.*: mine",
    ),
    ("minio", "group with an unknown policy", {"minio_groups": [{"name": "team", "policies": ["mine"]}]}, r"groups name policies.*: mine"),
    ("minio", "group with an unknown member", {"minio_groups": [{"name": "team", "members": ["nobody"]}]}, r"groups name members.*: nobody"),
    ("minio", "program that is not there", {"minio_source_file": "/nonexistent"}, r"minio_source_file /nonexistent does not exist"),
    ("postgres", "version before the first", {"postgres_version": "9.6"}, r"postgres_version \(9\.6\)"),
    ("postgres", "cluster with a hyphen", {"postgres_cluster": "my-cluster"}, r"postgres_cluster \(my-cluster\)"),
    ("postgres", "port of root", {"postgres_port": 80}, r"postgres_port \(80\)"),
    ("postgres", "few connections", {"postgres_max_connections": 9}, r"postgres_max_connections \(9\)"),
    ("postgres", "all memory", {"postgres_memory_percent": 100}, r"postgres_memory_percent \(100\)"),
    ("postgres", "address with a mask", {"postgres_listen_addresses": ["10.0.0.0/8"]}, r"without port, scheme or mask.*not 10\.0\.0\.0/8"),
    ("postgres", "group of two words", {"postgres_socket_group": "my group"}, r"postgres_socket_group \(my group\)"),
    ("postgres", "setting with a hyphen", {"postgres_settings": {"work-mem": 1}}, r"postgres_settings holds work-mem"),
    ("postgres", "setting of the role", {"postgres_settings": {"port": 5433}}, r"postgres_settings may not hold port"),
    ("postgres", "setting with a list", {"postgres_settings": {"work_mem": [1]}}, r"values of work_mem must be text"),
    ("postgres", "user of the system", {"postgres_users": [{"name": "pg_me", "password": "right-password"}]}, r"Rename or remove pg_me"),
    ("postgres", "user twice", {"postgres_users": POSTGRES["postgres_users"] * 2}, r"postgres_users \(mlflow, mlflow\) must occur once"),
    ("postgres", "database of the system", {"postgres_databases": [{"name": "template1", "owner": "mlflow"}]}, r"Rename or remove template1"),
    (
        "postgres",
        "database twice",
        {"postgres_databases": [{"name": "mlflow", "owner": "mlflow"}] * 2},
        r"postgres_databases \(mlflow, mlflow\) must occur once",
    ),
    ("postgres", "owner that is no user", {"postgres_databases": [{"name": "mlflow", "owner": "nobody"}]}, r"nobody: owner in postgres_databases"),
    (
        "postgres",
        "reader that is no user",
        {"postgres_databases": [{"name": "mlflow", "owner": "mlflow", "readers": ["nobody"]}]},
        r"nobody: among the readers in postgres_databases",
    ),
    ("postgres", "certificate that is not there", {"postgres_tls_source": "files", "postgres_tls_cert_file": "/nonexistent"}, r"certificate /nonexistent"),
    (
        "postgres",
        "cluster of others that decides itself",
        {"postgres_cluster": "shop", "postgres_port": 5434, "postgres_users": [{"name": "mlflow", "password": "pässword-of-mine"}]},
        r"max_connections = 300 in /etc/postgresql/.*encoding LATIN1.*reads its client rules from .*/shop/rules\.conf",
    ),
    ("postgres", "cluster of others that is mute", {"postgres_cluster": "mute", "postgres_port": 5435}, r"does not answer.*Add the line: include_dir"),
    ("postgres", "cluster of an older version", {"postgres_cluster": "moved", "postgres_port": 5437}, r"is in PostgreSQL 13.*upgrade_postgres"),
    ("postgres", "cluster without configuration", {"postgres_cluster": "lost", "postgres_port": 5436}, r"/lost holds a database, but its configuration"),
    ("nginx_tls", "alias with scheme", {"nginx_tls_server_aliases": ["https://example.com"]}, r"aliases holds https://example\.com"),
    ("nginx_tls", "one port for two", {"nginx_tls_http_port": 443}, r"are both 443"),
    ("nginx_tls", "port beyond the last", {"nginx_tls_http_port": 65536}, r"not 65536"),
    ("nginx_tls", "server with scheme", {"nginx_tls_upstreams": ["http://127.0.0.1:5000"]}, r"holds http://127\.0\.0\.1:5000"),
    ("nginx_tls", "route with capitals", routes({"name": "Mine"}), r"not Mine"),
    ("nginx_tls", "route twice", routes({}, {}), r"a name of its own"),
    ("nginx_tls", "route to nowhere", routes({"upstreams": []}), r"mine has none"),
    ("nginx_tls", "path with a blank", routes({"paths": ["/my path"]}), r"as /my path does"),
    ("nginx_tls", "name of the server with capitals", {"nginx_tls_upstream_name": "Mine"}, r"nginx_tls_upstream_name is 'Mine'"),
    ("nginx_tls", "prefix that ends with a slash", {"nginx_tls_path_prefix": "/mlflow/"}, r"nginx_tls_path_prefix is '/mlflow/'"),
    ("nginx_tls", "login with a colon", {"nginx_tls_users": [{"name": "al:ice", "password": "right-password"}]}, r"as 'al:ice' does"),
    ("nginx_tls", "login twice", {"nginx_tls_users": [{"name": "alice", "password": "right-password"}] * 2}, r"alice, alice\. Each name"),
    ("nginx_tls", "password with a line end", {"nginx_tls_users": [{"name": "alice", "password": "right-password\n"}]}, r"No usable password for alice"),
    (
        "nginx_tls",
        "passwords beside certificates",
        {**clients("ci"), "nginx_tls_users": [{"name": "a", "password": "right-password"}]},
        r"ways in of which one is chosen",
    ),
    ("nginx_tls", "client with a slash", clients("../ci"), r"letter or digit, as \.\./ci does not"),
    ("nginx_tls", "client twice", clients("ci", "laptop", "ci"), r"names ci twice"),
    ("nginx_tls", "clients without a folder", {**clients("ci"), "nginx_tls_client_certificate_fetch_dir": ""}, r"fetch_dir is empty.*version control"),
    ("nginx_tls", "clients for ten years", {**clients("ci"), "nginx_tls_client_certificate_days": 3650}, r"days is 3650\. Set 1 to 1825"),
    ("nginx_tls", "few rounds", {"nginx_tls_password_rounds": 999}, r"nginx_tls_password_rounds is 999"),
    ("nginx_tls", "quote in the realm", {"nginx_tls_auth_realm": 'my "realm"'}, r"nginx_tls_auth_realm must hold no double quote"),
    (
        "nginx_tls",
        "both ways in",
        {"nginx_tls_users": [{"name": "a", "password": "right-password"}], "nginx_tls_auth_request_upstream": "127.0.0.1:4180"},
        r"nginx_tls_auth_request_upstream are ways in of which one.*site_login",
    ),
    ("nginx_tls", "who is asked by a URL", {"nginx_tls_auth_request_upstream": "http://127.0.0.1:4180"}, r"Set host:port, or unix: with an absolute path"),
    ("nginx_tls", "way to the login without slash", {"nginx_tls_auth_request_prefix": "oauth2"}, r"starts and does not end with a slash"),
    ("nginx_tls", "way to the login where MLflow is", {"nginx_tls_auth_request_prefix": "/x", "nginx_tls_path_prefix": "/x"}, r"is not the path of MLflow"),
    ("nginx_tls", "session with a dash", {"nginx_tls_auth_request_cookie": "my-session"}, r"'my-session'. Set a name of letters"),
    ("oauth2_proxy", "issuer by plain http", proxy(issuer_url="http://login.example.com/realms/main"), r"'http://login.*begins with https://"),
    ("oauth2_proxy", "no issuer", proxy(issuer_url=""), r"Set the provider's issuer"),
    ("oauth2_proxy", "plain http redirect", proxy(redirect_url="http://mlflow.example.com/oauth2/callback"), r"Set the public https address of the site"),
    ("oauth2_proxy", "redirect to another path", proxy(redirect_url="https://mlflow.example.com/callback"), r"followed by /oauth2/callback"),
    ("oauth2_proxy", "no client", proxy(client_id=""), r"oauth2_proxy_client_id is not set"),
    ("oauth2_proxy", "no client secret", proxy(client_secret=""), r"the secret that the provider gave for the client mlflow"),
    ("oauth2_proxy", "client secret of the example", proxy(client_secret="CHANGE-ME"), r"not a placeholder such as CHANGE-ME"),
    ("oauth2_proxy", "cookie secret too short", proxy(cookie_secret="right-password"), r"oauth2_proxy_cookie_secret has the wrong length.*32 characters"),
    ("oauth2_proxy", "no cookie secret", proxy(cookie_secret=""), r"mlops\.mlflow\.secrets makes a random one"),
    ("oauth2_proxy", "nobody may come in", proxy(allowed_groups=[]), r"Nobody is named who may come in. Set oauth2_proxy_allowed_groups"),
    ("oauth2_proxy", "open to the network", proxy(address="0.0.0.0:4180"), r"It believes whoever asks it, so set a socket"),
    ("oauth2_proxy", "no identity asked for", proxy(scopes=["profile"]), r"oauth2_proxy_scopes lacks openid"),
    ("oauth2_proxy", "logout by plain http", proxy(logout_url="http://login.example.com/logout"), r"oauth2_proxy_logout_url.*must begin with https://"),
    ("oauth2_proxy", "other issuer by plain http", proxy(jwt_issuers=[{"issuer": "http://ci", "audience": "mlflow"}]), r"unlike http://ci"),
    ("oauth2_proxy", "name of a cookie with a dash", proxy(cookie_name="__Host-mlflow"), r"'__Host-mlflow'. Set letters, digits and _ alone"),
    ("oauth2_proxy", "sessions that nobody renews", proxy(cookie_refresh_seconds=0), r"who was logged out or locked at the provider would stay in"),
    ("oauth2_proxy", "sessions renewed after their end", proxy(cookie_refresh_seconds=43200), r"below oauth2_proxy_cookie_expire_seconds"),
    ("oauth2_proxy", "path without a slash", proxy(prefix="oauth2", redirect_url="https://mlflow.example.comoauth2/callback"), r"is 'oauth2' and must start"),
    ("oauth2_proxy", "way around the login", proxy(settings={"skip_auth_routes": [".*"]}), r"must not hold skip_auth_routes"),
    ("oauth2_proxy", "secret among the settings", proxy(settings={"cookie_secret": "right-password"}), r"must not hold cookie_secret"),
    ("oauth2_proxy", "no release for the machine", proxy(source_file="", url=""), r"There is no release for .*set oauth2_proxy_source_file"),
    ("oauth2_proxy", "address with a login", proxy(source_file="", url=f"https://{LOGIN}@example.com/x.tar.gz"), r"without a login, since it is shown"),
    ("oauth2_proxy", "checksum of another kind", proxy(source_file="", checksum="md5:x"), r"must be 'sha256:' and 64.*not md5:x"),
    ("oauth2_proxy", "release missing on the controller", proxy(source_file="/nonexistent.tar.gz"), r"/nonexistent\.tar\.gz does not exist on the controller"),
    ("oauth2_proxy", "release with another checksum", proxy(checksum="sha256:" + "0" * 64), r"does not have the checksum"),
    ("oauth2_proxy", "CA missing on the controller", proxy(provider_ca_file="/nonexistent.crt"), r"/nonexistent\.crt does not exist on the controller"),
    ("oauth2_proxy", "port taken", proxy(address="127.0.0.1:5999"), r"5999.*python3.*oauth2_proxy_address"),
    ("nginx_tls", "header with a blank", {"nginx_tls_response_headers": {"My Header": "x"}}, r"not My Header"),
    ("nginx_tls", "quote in a header", {"nginx_tls_response_headers": {"X-Mine": 'a "b"'}}, r'as a "b" does'),
    ("nginx_tls", "no source of scripts", {"nginx_tls_script_sources": []}, r"nginx_tls_script_sources is empty"),
    ("nginx_tls", "two sources in a word", {"nginx_tls_script_sources": ["'self' example.com"]}, r"not 'self' example\.com"),
    ("nginx_tls", "size with a blank", {"nginx_tls_api_max_body_size": "64 MB"}, r"not '64 MB'"),
    ("nginx_tls", "origin with a path", {"nginx_tls_allowed_origins": ["https://example.com/"]}, r"allowed_origins holds https://example\.com/"),
    ("nginx_tls", "everybody is trusted", {"nginx_tls_trusted_proxies": ["0.0.0.0/0"]}, r"trusted_proxies holds 0\.0\.0\.0/0"),
    ("nginx_tls", "no request for an address", {"nginx_tls_requests_per_address": 0}, r"nginx_tls_requests_per_address is 0"),
    ("nginx_tls", "no download for a login", {"nginx_tls_downloads_per_login": 0}, r"nginx_tls_downloads_per_login is 0"),
    ("nginx_tls", "few connections", {"nginx_tls_worker_connections": 511}, r"nginx_tls_worker_connections is 511"),
    (
        "nginx_tls",
        "half a confinement",
        {"nginx_tls_unprivileged_enabled": True, "nginx_tls_hardening_enabled": False},
        r"Set nginx_tls_hardening_enabled too",
    ),
    ("nginx_tls", "size of the cache with a blank", {"nginx_tls_static_cache_size": "1 GB"}, r"nginx_tls_static_cache_size is '1 GB'"),
    ("nginx_tls", "no time to connect", {"nginx_tls_connect_timeout_seconds": 0}, r"must be above 0"),
    ("nginx_tls", "negative delay", {"nginx_tls_auth_delay_seconds": -1}, r"must not be below 0"),
    ("nginx_tls", "certificate for an address with scheme", {"nginx_tls_certificate_names": ["https://example.com"]}, r"not for https://example\.com"),
    ("nginx_tls", "certificate that is a key", certificate("good.key", "good.key"), r"At least one of them cannot be read"),
    ("nginx_tls", "certificate for another name", {**certificate("good.crt", "good.key"), "nginx_tls_server_name": "a.org"}, r"does not cover a\.org"),
    ("nginx_tls", "no public name", {"nginx_tls_server_name": ""}, r"Set the bare host name"),
    ("nginx_tls", "alias with a path", {"nginx_tls_server_aliases": ["ok.example.com", "bad/alias"]}, r"nginx_tls_server_aliases holds bad/alias"),
    ("nginx_tls", "port for http taken", {"nginx_tls_http_port": 5000}, r"5000 .*nginx_tls_http_port"),
    ("nginx_tls", "server at a port beyond the last", {"nginx_tls_upstreams": ["127.0.0.1:70000"]}, r"127\.0\.0\.1:70000"),
    ("nginx_tls", "socket without a root", {"nginx_tls_upstreams": ["unix:relative.sock"]}, r"an absolute path"),
    ("nginx_tls", "password beyond 255 bytes", {"nginx_tls_users": [{"name": "a", "password": "é" * 128}]}, r"255 bytes"),
    ("nginx_tls", "cache of a word", {"nginx_tls_static_cache_size": "all"}, r"such as 100m"),
    ("nginx_tls", "search of much", {"nginx_tls_search_max_body_size": "much"}, r"nginx_tls_search_max_body_size.*'much'"),
    ("nginx_tls", "body of 10 GB", {"nginx_tls_client_max_body_size": "10 GB"}, r"such as 64m"),
    ("nginx_tls", "origin without scheme", {"nginx_tls_allowed_origins": ["notebooks.example.com"]}, r"such as https://notebooks\.example\.com"),
    ("nginx_tls", "name of a proxy", {"nginx_tls_trusted_proxies": ["balancer.example.com"]}, r"not names"),
    ("nginx_tls", "two faults at once", {"nginx_tls_server_name": "", "nginx_tls_upstreams": []}, r"bare host name.*such as 127\.0\.0\.1:5000"),
    ("nginx_tls", "certificate that is not there", certificate("nothing", "good.key"), r"Not found on the controller"),
    ("nginx_tls", "ACME without a word on the terms", acme(acme_terms_agreed=False), r"not agreed to.*nginx_tls_acme_terms_agreed"),
    ("nginx_tls", "ACME by plain http", acme(acme_directory_url="http://ca.example.com/dir"), r"'http://ca\.example\.com/dir'.*with https://"),
    ("nginx_tls", "ACME account of no address", acme(acme_email="admin"), r"is 'admin'.*one mail address"),
    ("nginx_tls", "ACME server with a CA that is not there", acme(acme_ca_file="/nonexistent.crt"), r"Not found on the controller: /nonexistent\.crt.*CA file"),
    ("nginx_tls", "ACME for an IP address", acme(certificate_names=["203.0.113.7", "2001:db8::7"]), r"as 203\.0\.113\.7, 2001:db8::7"),
    ("nginx_tls", "ACME for a wildcard", acme(server_aliases=["*.mlflow.example.com"]), r"not for wildcards .*as \*\.mlflow\.example\.com"),
    ("nginx_tls", "ACME of a public CA for private names", acme(server_name="mlflow", server_aliases=["a.internal"]), r"mlflow, a\.internal,.*acme_ca_file"),
    ("nginx_tls", "ACME of a public CA for localhost", acme(server_name="localhost"), r"gives a certificate for localhost,"),
    ("nginx_tls", "ACME without port 80", acme(http_redirect_enabled=False), r"nobody listens without nginx_tls_http_redirect_enabled"),
    ("nginx_tls", "ACME profile on an older system", {**acme(acme_profile="shortlived"), **DEBIAN_12}, r"shortlived needs certbot 4\.0.*Debian 12"),
    *[(role, "word that is no choice", dict.fromkeys(CHOICES[role], "nonsense"), "".join(rf"(?=.*\b{name}\b)" for name in CHOICES[role])) for role in GOOD],
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


def changed_files():
    """What changed on the machine since the last call, but for what runs anyway (logs, caches, the services' own data): files, and folders come or gone."""
    ignored = ("/proc", "/sys", "/run", "/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/root", "/var/lib/postgresql", "/var/lib/mlflow", "/var/tmp")
    look = "find / -xdev -not \\( " + " ".join(f"-path '{path}*' -o" for path in ignored) + " -false \\)"
    script = f"""
        {look} -type d | sort >/root/folders.now
        if [ -e /root/stamp ]; then diff /root/folders /root/folders.now; {look} -not -type d -cnewer /root/stamp; fi
        mv /root/folders.now /root/folders; touch /root/stamp; sleep 0.02"""
    return subprocess.run(["docker", "exec", MACHINE, "sh", "-c", script], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def run(cases, *arguments, **variables):
    """Run the role of each case on the machine, in one process: the exit status, all that was written, and of each case what each task said."""
    hosts = {
        f"case{number}-{role}": {
            "ansible_connection": "community.docker.docker",
            "ansible_host": MACHINE,
            "case_role": role,
            **GOOD.get(role, {}),
            **case,
        }
        for number, (role, case) in enumerate(cases)
    }
    inventory = WORK / "cases.yml"
    inventory.write_text(json.dumps({"cases": {"hosts": hosts}}))
    argv = ["ansible-playbook", "-i", str(WORK / "inventory"), "-i", str(inventory), "-e", json.dumps(variables), str(SCENARIO / "case.yml"), *arguments]
    env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_FORKS": "4"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    said = {name: [] for name in hosts}
    stats = json.loads(done.stdout[done.stdout.index("{\n") :])
    for play in stats["plays"]:
        for task in play["tasks"]:
            for name, result in task["hosts"].items():
                said[name].append(result)
    return done, list(said.values()), stats["stats"]


@pytest.fixture(scope="module")
def cases():
    """All that was written by the run of all cases, what each was told, and what is changed on the machine."""
    write_certificates()
    changed_files()
    done, said, _stats = run([(role, variables) for role, _title, variables, _message in CASES])
    return done.stdout + done.stderr, said, changed_files()


@pytest.fixture(scope="module")
def problems(cases):
    """What each case was told, by role and title."""
    _output, said, _changed = cases
    told = {}
    for (role, title, _variables, _message), results in zip(CASES, said, strict=True):
        # Of a loop, each of its rounds.
        failures = [part for result in results if result.get("failed") for part in result.get("results", [result])]
        told[role, title] = [problem for failure in failures for problem in failure.get("problems", [failure.get("msg", "")])]
    return told


@pytest.mark.parametrize(("role", "title", "message"), [(role, title, message) for role, title, _variables, message in CASES], ids=lambda value: value)
def test_bad_input_is_refused(problems, role, title, message):
    assert re.search(message, " ".join(" ".join(problems[role, title]).split()))


def test_a_refusal_changes_nothing_and_shows_no_password(cases):
    output, _said, changed = cases
    assert "right-password" not in output
    assert "wrong-password" not in output
    assert changed == []


def checks(role):
    """The message of each check of a role's input, machine and databases."""

    def flat(tasks):
        for task in tasks:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []))

    for path in sorted((ROOT / f"roles/{role}/tasks").glob("*.yml")):
        if path.stem == "database" or path.stem.startswith("preflight"):
            for task in flat(yaml.safe_load(path.read_text())):
                yield from (check["message"] for check in task.get("mlops.mlflow.assert_all", {}).get("checks", []))
                yield from (task[module][text] for module, text in (("ansible.builtin.assert", "fail_msg"), ("ansible.builtin.fail", "msg")) if module in task)


CHECKS = [(role, message) for role in (*GOOD, "certificate") for message in checks(role)]


def pattern(message):
    return r"[\s\S]*".join(map(re.escape, re.split(r"\{\{[\s\S]*?\}\}|%s", message.strip())))


def test_every_check_has_a_case(problems):
    """What was said tells which check it came from: the one whose own words are the most of it."""
    assert len(problems) == len(CASES), "two cases have the same title"
    seen = set()
    for (role, _title), texts in problems.items():
        for text in texts:
            found = [check for check in CHECKS if check[0] in (role, "certificate") and re.fullmatch(pattern(check[1]), text.strip())]
            seen.update(sorted(found, key=lambda check: len(pattern(check[1])))[-1:])
    assert [check for check in CHECKS if check not in seen] == []


@pytest.mark.usefixtures("cases")
def test_corrected_input_converges_without_a_change():
    """What ran before the refusals still runs, and needs nothing."""
    done, _said, stats = run([("postgres", {}), ("mlflow_server", {})])
    assert done.returncode == 0, done.stdout[-3000:]
    assert {host: total["changed"] for host, total in stats.items()} == {"case0-postgres": 0, "case1-mlflow_server": 0}, done.stdout[-3000:]


def numbers_as_text(role):
    """All numbers among the defaults of a role, as the command line and many inventories give them."""
    return {name: str(option["default"]) for name, option in options(role).items() if option.get("type") == "int" and isinstance(option.get("default"), int)}


@pytest.mark.usefixtures("cases")
@pytest.mark.parametrize(
    ("roles", "arguments"), [(("postgres", "mlflow_server"), ()), (("backup", "firewall", "minio", "nginx_tls", "oauth2_proxy"), ("--check",))]
)
def test_numbers_may_be_text_and_facts_are_gathered_where_they_are_missing(roles, arguments):
    """What runs needs no change; what does not is planned."""
    done, _said, stats = run([(role, numbers_as_text(role)) for role in roles], *arguments, case_gather_facts=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(stats) == len(roles)
    assert arguments or not any(total["changed"] for total in stats.values()), done.stdout[-3000:]


@pytest.mark.usefixtures("cases")
def test_a_schema_is_not_changed_host_by_host():
    """With serial: 1 the second host would serve on with old code from the new schema."""
    names = ["case0-mlflow_server", "case1-mlflow_server"]
    changed_files()
    done, (first, second), _stats = run([("mlflow_server", {**OLDER, "mlflow_server_hosts": names})] * 2, case_serial=1)
    assert done.returncode != 0
    message = " ".join(result["msg"] for result in first if result.get("failed"))
    assert re.search(rf"change the schema or the keys of a database that {names[1]} .*without --limit and\s+serial", message), message
    assert changed_files() == []
    assert second == []
