"""Writes the demo's hosts, secrets and access.env into a copy of inventory.example."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
from pathlib import Path

import yaml

# On purpose: whatever a password holds must work everywhere.
AWKWARD = "%@:/?#[]'\"\\{} $`;é&=+"


class Unsafe(str):
    """A text that Ansible must not read as a template."""

    __slots__ = ()


yaml.SafeDumper.add_representer(Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value), style='"'))


def password() -> Unsafe:
    tail = list(AWKWARD)
    secrets.SystemRandom().shuffle(tail)
    # S3 servers take at most 40 bytes.
    return Unsafe(secrets.token_urlsafe(9) + "".join(tail) + "{{}}")


def write(path: Path, content: str) -> None:
    """Write a file that only its owner reads."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)


def dump(value: object) -> str:
    return "---\n" + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="folder that holds inventory/")
    for name in ("host", "port", "http-port", "s3-server", "ca-file", "uv-cache"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--public-name", default="localhost")
    args = parser.parse_args()
    inventory = args.demo.resolve() / "inventory"
    login = password()
    vault = {
        "vault_postgres_mlflow_password": password(),
        "vault_minio_root_password": password(),
        "vault_minio_mlflow_secret_key": password(),
        "vault_site_login_password": login,
    }
    write(inventory / "group_vars/all/vault.yml", dump(vault))
    groups = {group: {"hosts": {args.host: None}} for group in ("postgres", "minio", "mlflow_server", "nginx_tls")}
    write(inventory / "hosts.yml", dump({"all": {"children": groups}}))
    demo_vars = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "site_public_name": args.public_name,
        "site_https_port": int(args.port),
        "nginx_tls_http_port": int(args.http_port),
        "minio_source_file": args.s3_server,
        "minio_ca_bundle_file": args.ca_file,
        "minio_uv_cache_dir": args.uv_cache,
        "mlflow_server_ca_bundle_file": args.ca_file,
        "mlflow_server_uv_cache_dir": args.uv_cache,
    }
    # Loaded after the other files of this folder: the demo's own values win.
    write(inventory / "group_vars/all/zz_demo.yml", dump(demo_vars))
    access = {
        "MLFLOW_TRACKING_URI": f"https://{args.public_name}:{args.port}",
        "MLFLOW_TRACKING_USERNAME": "mlflow",
        "MLFLOW_TRACKING_PASSWORD": login,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(inventory / ".ca/nginx_tls.crt"),
    }
    lines = [f"{name}={shlex.quote(str(value))}" for name, value in access.items()]
    write(args.demo / "access.env", "\n".join([f"# login: mlflow / {login}", *lines, ""]))


if __name__ == "__main__":
    main()
