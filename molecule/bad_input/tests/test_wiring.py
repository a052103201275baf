"""The wiring of inventory.example for hosts of all layouts: what each role gets, and what is said where something is missing. Touches no host."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
GROUPS = ("postgres", "minio", "mlflow_server", "nginx_tls")
OWN_DATABASE = {"site_database": {"host": "db.corp", "name": "tracking", "user": "me", "password": "pw", "tls": "require"}}
PASSWORD = "postgres_mlflow_password of a vault"
OWN_STORE_GROUPS = ("postgres", "mlflow_server", "nginx_tls")
OWN_STORE = {"site_s3_endpoint_url": "https://s3.corp", "site_s3_bucket": "artifacts", "site_s3_access_key_id": "AKIA"}


def play(inventory, playbook, *options, **env):
    argv = ["ansible-playbook", "-i", str(inventory), str(ROOT / playbook), *options]
    env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **env}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env)


@pytest.fixture
def inventory(tmp_path):
    """Make an inventory from the example: hosts of each group, and further variables."""

    def make(groups, variables=None):
        folder = tmp_path / "inventory"
        shutil.copytree(ROOT / "inventory.example", folder)
        children = {group: {"hosts": dict.fromkeys(hosts)} for group, hosts in groups.items()}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": children}}))
        secrets = ("postgres_mlflow_password", "minio_root_password", "minio_mlflow_secret_key", "site_login_password")
        (folder / "group_vars/all/vault.yml").write_text(yaml.safe_dump({f"vault_{name}": f"{name} of a vault" for name in secrets}))
        (folder / "group_vars/all/zz.yml").write_text(yaml.safe_dump(variables or {}))
        return folder

    return make


@pytest.fixture
def wire():
    """The variables of each host, by its name."""

    def run(folder, *options):
        done = play(folder, "molecule/bad_input/wiring.yml", *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        said = json.loads(done.stdout)["plays"][0]["tasks"][-1]["hosts"]
        return {host: json.loads(result["msg"]) for host, result in said.items()}

    return run


def on(*names, **hosts):
    return {name: hosts.get(name, ["one"]) for name in names}


def test_all_in_one(inventory, wire):
    (found,) = wire(inventory(on(*GROUPS))).values()
    database = {"host": "/run/postgresql", "name": "mlflow", "user": "mlflow", "password": PASSWORD, "tls": "disable"}
    assert found["mlflow_server_database"] == database
    assert found["mlflow_server_s3_endpoint_url"] == "http://127.0.0.1:9000"
    assert found["nginx_tls_upstreams"] == ["unix:/run/mlflow/mlflow.sock"]
    assert found["nginx_tls_fastapi_upstreams"] == ["unix:/run/mlflow-fastapi/mlflow.sock"]
    assert found["postgres_max_connections"] == 2 * (2 * 20 + 45) + 20


WAYS = {"nginx": (True, ""), "mlflow": (False, "basic-auth"), "oidc": (False, "oidc"), "proxy": (False, ""), "open": (False, ""), "Open": (True, "")}


@pytest.mark.parametrize(("way", "nginx", "login"), [(way, *asked) for way, asked in WAYS.items()])
def test_one_alone_asks_for_the_login(inventory, wire, way, nginx, login):
    """What is no way in, which the preflight refuses, opens nothing."""
    (found,) = wire(inventory(on(*GROUPS), {"site_login": way, "vault_site_oidc_client_secret": "secret of a vault"})).values()
    assert [user["name"] for user in found["nginx_tls_users"]] == (["mlflow"] if nginx else [])
    assert found["nginx_tls_auth_request_upstream"] == ("unix:/run/oauth2-proxy/oauth2-proxy.sock" if way == "proxy" else "")
    assert found["nginx_tls_socket_groups"] == (["mlflow", "oauth2-proxy"] if way == "proxy" else ["mlflow"])
    assert found["mlflow_server_login"] == login
    assert found["mlflow_server_admin_password"] == "site_login_password of a vault"
    databases = {database["name"] for database in found["postgres_databases"]} & {"mlflow_auth", "mlflow_oidc"}
    assert databases == ({found["mlflow_server_auth_database"]["name"]} if login else set())
    assert found["mlflow_server_auth_database"] == {**found["mlflow_server_database"], "name": "mlflow_oidc" if way == "oidc" else "mlflow_auth"}
    # Single sign-on has one server for all paths.
    assert found["mlflow_server_engine"] == ("uvicorn" if way == "oidc" else "both")
    assert bool(found["nginx_tls_fastapi_upstreams"]) == (way != "oidc")
    assert found["postgres_max_connections"] == (3 if login else 2) * (2 * 45 if way == "oidc" else 2 * 20 + 45) + 20


def test_people_come_back_from_the_provider_to_the_public_name(inventory, wire):
    variables = {"site_login": "oidc", "site_oidc_issuer_url": "https://sso.example.com", "site_https_port": 8443, "site_oidc_groups": ["a", "b"]}
    (found,) = wire(inventory(on(*GROUPS), {**variables, "vault_site_oidc_client_secret": "secret of a vault"})).values()
    assert found["mlflow_server_oidc_redirect_url"] == "https://mlflow.example.com:8443/callback"
    assert found["mlflow_server_oidc_client_secret"] == "secret of a vault"
    assert (found["mlflow_server_oidc_groups"], found["mlflow_server_oidc_admin_groups"]) == (["a", "b"], ["mlflow-admin"])


def test_clients_come_in_by_certificate(inventory, wire):
    (found,) = wire(inventory(on(*GROUPS), {"site_login": "mtls", "site_client_certificates": ["ci", "laptop"]})).values()
    assert found["nginx_tls_client_certificates_enabled"] is True
    assert found["nginx_tls_client_certificates"] == ["ci", "laptop"]
    assert found["nginx_tls_client_certificate_fetch_dir"].endswith("/.ca/clients")
    assert found["site_client_certificate"].endswith("/.ca/clients/ci.pem")
    assert (found["nginx_tls_users"], found["mlflow_server_login"]) == ([], "")


def test_clients_have_no_certificate_where_they_do_not_come_in_by_one(inventory, wire):
    (found,) = wire(inventory(on(*GROUPS), {"site_client_certificates": ["ci"]})).values()
    assert (found["nginx_tls_client_certificates_enabled"], found["nginx_tls_client_certificates"]) == (False, [])


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_a_path_prefix_is_of_the_public_url_alone(inventory, wire, prefix):
    """A browser's origin has none, and MLflow hears nothing of it."""
    (found,) = wire(inventory(on(*GROUPS), {"site_path_prefix": prefix})).values()
    assert found["site_public_url"] == f"https://mlflow.example.com{prefix}"
    assert found["mlflow_server_cors_allowed_origins"] == ["https://mlflow.example.com"]
    assert (found["nginx_tls_path_prefix"], found["nginx_tls_path_prefix_stripped"]) == (prefix, True)


@pytest.mark.parametrize(
    ("groups", "variables", "message"),
    [
        (on(*GROUPS), {"site_login": "Open"}, r"site_login is Open, and must be nginx, mlflow, mtls, proxy, oidc or open\."),
        (on(*GROUPS, nginx_tls=["one", "two"]), {"site_login": "mtls"}, r"group nginx_tls has one host, and not 2"),
        (on(*GROUPS), {"site_login": "mtls", "site_client_certificates": []}, r"site_client_certificates must name at least one"),
    ],
)
def test_a_way_in_that_is_none_is_refused(inventory, groups, variables, message):
    done = play(inventory(groups, variables), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres")
    assert done.returncode != 0
    assert re.search(message, " ".join(done.stdout.split()))


STORE_NAME = {"site_store_public_name": "store.org", "site_https_port": 8443}


@pytest.mark.parametrize(
    ("variables", "front", "name", "signs_for", "root"),
    [
        ({}, "", "", "", ""),
        ({"site_artifact_mode": "accelerated", **STORE_NAME}, "https://s3:9000", "", "", ""),
        ({"site_artifact_mode": "presigned", **STORE_NAME}, "https://s3:9000", "store.org", "https://store.org:8443", ""),
        ({"site_artifact_mode": "direct", **STORE_NAME}, "https://s3:9000", "store.org", "https://store.org:8443", "s3://mlflow"),
    ],
)
def test_one_word_says_who_moves_artifacts(inventory, wire, variables, front, name, signs_for, root):
    found = wire(inventory({"postgres": ["db"], "minio": ["s3"], "mlflow_server": ["app"], "nginx_tls": ["web"]}, {"site_firewall_enabled": True, **variables}))
    assert (found["web"]["nginx_tls_store_url"], found["web"]["nginx_tls_store_name"]) == (front, name)
    assert found["web"]["nginx_tls_mask_multipart"] == (not name)
    assert found["web"]["nginx_tls_store_keys_enabled"] == bool(root)
    assert found["app"]["mlflow_server_s3_endpoint_url"] == "https://s3:9000"
    assert (found["app"]["mlflow_server_s3_public_url"], found["app"]["mlflow_server_default_artifact_root"]) == (signs_for, root)
    assert found["app"]["mlflow_server_worker_timeout"] == found["web"]["nginx_tls_artifact_timeout_seconds"] == 600
    (rule,) = found["s3"]["firewall_rules"]
    # MLflow and the store itself, and nginx where it moves artifacts.
    assert len(rule["sources"]) == (3 if front else 2)


def test_a_store_that_clients_reach_needs_no_name(inventory, wire):
    """The front has no part in it, and lets clients know that they may go there."""
    found = wire(inventory(on("postgres", "mlflow_server", "nginx_tls"), {**OWN_STORE, "site_artifact_mode": "presigned"}))["one"]
    assert (found["nginx_tls_store_url"], found["nginx_tls_store_name"], found["mlflow_server_s3_public_url"]) == ("", "", "")
    assert not found["nginx_tls_mask_multipart"]


AZURE = {"site_artifacts_destination": "wasbs://mlflow@account.blob.core.windows.net", "vault_azure_storage_access_key": "key of a vault"}
GOOGLE = {"site_artifacts_destination": "gs://mlflow/here", "vault_gcs_credentials": {"type": "service_account"}}


@pytest.mark.parametrize(("variables", "keys"), [(AZURE, ("key of a vault", "")), (GOOGLE, ("", {"type": "service_account"}))])
def test_a_store_that_is_not_s3(inventory, wire, variables, keys):
    """Its key comes from the vault, and nothing of S3 is asked for."""
    found = wire(inventory(on(*OWN_STORE_GROUPS), variables))["one"]
    assert found["mlflow_server_artifacts_destination"] == variables["site_artifacts_destination"]
    assert (found["mlflow_server_azure_storage_access_key"], found["mlflow_server_gcs_credentials"]) == keys
    s3 = ("endpoint_url", "access_key_id", "secret_access_key", "public_url", "ca_file")
    assert [found[f"mlflow_server_s3_{name}"] for name in s3] == [""] * len(s3)
    assert (found["nginx_tls_store_url"], found["nginx_tls_mask_multipart"]) == ("", True)


def test_the_backup_of_a_store_that_is_not_s3(inventory, wire):
    """Goes by rclone, in the words of the site."""
    place = {"type": "rclone", "path": "mlflow", "options": {"type": "gcs"}}
    variables = {**GOOGLE, "site_backup_artifacts": place, "site_backup_destination": {"type": "folder", "path": "/srv"}}
    secrets = {f"vault_backup_{name}": "secret of a vault" for name in ("database_password", "encryption_password")}
    found = wire(inventory(on(*OWN_STORE_GROUPS, "backup"), {**variables, **secrets}))["one"]
    assert (found["backup_artifacts"], found["backup_restore_artifacts"]) == (place, place)


@pytest.mark.parametrize(
    ("groups", "variables", "says"),
    [
        (GROUPS, {"site_artifact_mode": "fast"}, "site_artifact_mode is fast, and must be proxied, accelerated, presigned or direct"),
        (GROUPS, {"site_artifact_mode": "presigned"}, "presigned, which needs in site_store_public_name a name of the store"),
        (GROUPS, {"site_artifact_mode": "direct"}, "direct, which needs in site_store_public_name a name of the store"),
        (("postgres", "minio", "mlflow_server"), {"site_artifact_mode": "accelerated"}, "accelerated, which needs a host in the group nginx_tls"),
        (OWN_STORE_GROUPS, {"site_artifact_mode": "accelerated", "site_s3_endpoint_url": ""}, "a store with an address of its own"),
        *[
            (OWN_STORE_GROUPS, {"site_artifact_mode": mode, "site_artifacts_destination": "gs://mlflow"}, f"{mode}, which needs s3:// in site_artifacts_dest")
            for mode in ("accelerated", "presigned", "direct")
        ],
    ],
)
def test_a_way_of_artifacts_without_what_it_needs_is_refused(inventory, groups, variables, says):
    done = play(inventory(on(*groups), variables), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres")
    assert done.returncode != 0
    assert says in " ".join(done.stdout.split())


@pytest.mark.parametrize(("days", "versioning", "rule"), [(30, True, 30), ("7", True, 7), (0, False, 1)])
def test_what_is_deleted_stays_as_long_as_the_site_says(inventory, wire, days, versioning, rule):
    """Where nothing is to be kept from now on, the rule frees what was kept before."""
    found = wire(inventory(on(*GROUPS), {"site_artifact_keep_deleted_days": days, "site_artifact_quota": "500G"}))["one"]
    (bucket,) = found["minio_buckets"]
    assert (bucket["versioning"], bucket["quota"]) == (versioning, "500G")
    assert bucket["lifecycle_rules"][0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": rule}
    assert bucket["lifecycle_rules"][0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_bad_values_of_the_site_are_refused_in_its_words(inventory):
    """All at once, and with no word of the roles' variables."""
    variables = {
        "site_store_public_name": "Store One",
        "site_s3_bucket": "My_Bucket",
        "site_artifact_timeout_seconds": "lots",
        "site_artifact_keep_deleted_days": "a month",
        "site_artifact_quota": "much",
        "site_artifact_policies": [{"name": "mlflow", "bucket": "mlflow", "prefix": "vision"}],
        "site_artifact_users": [{"access_key": "mlflow-backup", "secret_key": "long-enough"}],
    }
    done = play(inventory(on("postgres", "mlflow_server", "nginx_tls"), variables), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    for text in (
        "site_store_public_name is 'Store One'. Set a bare host name",
        "site_s3_bucket is My_Bucket, which S3 forbids",
        "site_artifact_timeout_seconds is lots. Set a number of seconds",
        "site_artifact_keep_deleted_days is a month. Set a number of days",
        "site_artifact_quota is much. Set a number of bytes or a size like 500G",
        "mlflow in site_artifact_policies is a name that the site itself uses",
        "mlflow-backup in site_artifact_users is an access key that the site itself uses",
        "site_artifact_quota is much, and the group minio has no host",
    ):
        assert text in said
    assert "nginx_tls_" not in said.partition("Check it")[2]


@pytest.mark.parametrize(
    ("policies", "users", "quota", "says"),
    [
        ("vision", {"vision": "secret of a vault"}, 500, "site_artifact_quota is 500 bytes, which hold nothing. Set a size with its unit"),
        ({"name": "vision"}, [{"name": "vision", "secret_key": "secret of a vault"}], 0, ""),
        (["vision", None], "secret of a vault", 0, ""),
        (7, 7, 0, ""),
        ([{"bucket": "vision", "prefix": "vision"}], [None], 0, "vision in site_artifact_policies is no bucket of the store. Name mlflow,"),
    ],
)
def test_keys_of_teams_that_nothing_can_be_made_of_are_refused(inventory, policies, users, quota, says):
    variables = {"site_artifact_policies": policies, "site_artifact_users": users, "site_artifact_quota": quota}
    done = play(inventory(on(*GROUPS), variables), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    for text in ("site_artifact_policies must be a list, and each of it have a name", "site_artifact_users must be a list, and each of it have an acc", says):
        assert text in said
    assert "secret of a vault" not in said


def test_the_store_has_a_name_of_its_own(inventory):
    variables = {"site_artifact_mode": "presigned", "site_store_public_name": "mlflow.example.com"}
    done = play(inventory(on(*GROUPS), variables), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres")
    assert done.returncode != 0
    assert "site_store_public_name and site_public_name are both mlflow.example.com" in " ".join(done.stdout.split())


PROVIDER = {"site_login": "proxy", "site_oidc_issuer_url": "https://login.example.com", "site_oidc_groups": ["team"]}
PROVIDER_SECRETS = {"vault_site_oidc_client_secret": "secret of a vault", "vault_oauth2_proxy_cookie_secret": "c" * 32}


def test_a_provider_of_logins(inventory):
    """What the example gives to the role, which `preflight.yml` takes; without its secrets it says where they belong."""
    options = ("--connection=local", "--skip-tags=postgres,minio,mlflow_server")
    done = play(inventory(on(*GROUPS), {**PROVIDER, **PROVIDER_SECRETS}), "playbooks/preflight.yml", *options)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_provider_whose_secret_is_missing(inventory):
    options = ("--connection=local", "--skip-tags=postgres,minio,mlflow_server")
    done = play(inventory(on(*GROUPS), PROVIDER), "playbooks/preflight.yml", *options)
    assert done.returncode != 0
    assert "vault_site_oidc_client_secret: set the secret that the provider of logins gave" in " ".join(done.stdout.split())


def test_a_provider_without_nginx_is_refused(inventory):
    done = play(inventory(on(*GROUPS[:3]), PROVIDER), "playbooks/preflight.yml", "--connection=local", "--skip-tags=postgres,minio,mlflow_server")
    assert done.returncode != 0
    assert "site_login proxy needs nginx of the site" in " ".join(done.stdout.split())


@pytest.mark.parametrize("enabled", [True, "yes", False, "false"])
def test_the_packet_filter_guards_what_runs_on_a_host(inventory, wire, enabled):
    variables = {"site_firewall_enabled": enabled, "site_firewall_s3_clients": ["198.51.100.0/24"]}
    found = wire(inventory({"postgres": ["db"], "minio": ["db"], "mlflow_server": ["app"], "nginx_tls": ["web"]}, variables))
    guarded = {host: {rule["port"]: len(rule["sources"]) for rule in values["firewall_rules"]} for host, values in found.items()}
    on = enabled in (True, "yes")
    assert guarded == {"db": {5432: 1, 9000: 3} if on else {}, "app": {5000: 1, 5001: 1} if on else {}, "web": {}}


def test_a_host_for_each(inventory, wire):
    found = wire(inventory({"postgres": ["db"], "minio": ["s3"], "mlflow_server": ["app1", "app2"], "nginx_tls": ["web"]}))
    for name in ("app1", "app2"):
        database = {"host": "db", "name": "mlflow", "user": "mlflow", "password": PASSWORD, "tls": "verify-full"}
        assert found[name]["mlflow_server_database"] == database
        assert found[name]["mlflow_server_backend_ca_file"].endswith("/.ca/postgres.crt")
        assert found[name]["mlflow_server_s3_endpoint_url"] == "https://s3:9000"
        assert found[name]["mlflow_server_hosts"] == ["app1", "app2"]
        assert found[name]["mlflow_server_socket"] == ""
    assert found["web"]["nginx_tls_upstreams"] == ["app1:5000", "app2:5000"]
    assert found["db"]["postgres_max_connections"] == 2 * 2 * (2 * 20 + 45) + 20


@pytest.mark.parametrize("ca", ["", "files/ca.crt"], ids=["of a public CA", "with a CA file"])
def test_own_certificates(inventory, wire, ca):
    """Who connects gets a CA certificate where there is one: the smoke test, too, which runs on an MLflow host and knows no variable of the others."""
    folder = inventory({"postgres": ["db"], "minio": ["s3"], "mlflow_server": ["app"], "nginx_tls": ["web"]})
    (folder / "host_vars").mkdir()
    for host, source, ca_file in (
        ("db", "postgres_tls_source", "postgres_tls_ca_file"),
        ("s3", "minio_tls_source", "minio_tls_ca_file"),
        ("web", "nginx_tls_certificate_source", "nginx_tls_ca_file"),
    ):
        (folder / f"host_vars/{host}.yml").write_text(yaml.safe_dump({source: "files", ca_file: ca}))
    found = wire(folder)["app"]
    files = [found[name].rpartition("/.ca/")[2] for name in ("mlflow_server_backend_ca_file", "mlflow_server_s3_ca_file", "site_public_ca_file")]
    assert files == (["postgres.crt", "minio.crt", "nginx_tls.crt"] if ca else ["", "", ""])


BACKUP = {
    "site_backup_destination": {"type": "folder", "path": "/srv/backup"},
    **{f"vault_backup_{name}": f"{name} of a vault" for name in ("database_password", "secret_key", "encryption_password")},
}


@pytest.mark.parametrize(("way", "component"), [("mlflow", "auth"), ("oidc", "oidc")])
def test_backups_hold_the_users_of_mlflow(inventory, wire, way, component):
    (found,) = wire(inventory(on(*GROUPS, "backup"), {**BACKUP, "site_login": way, "vault_site_oidc_client_secret": "secret of a vault"})).values()
    assert found["backup_databases"][component] == {**found["backup_databases"]["tracking"], "name": f"mlflow_{component}"}
    assert found["backup_restore_databases"][component] == found["mlflow_server_auth_database"]
    assert next(database for database in found["postgres_databases"] if database["name"] == f"mlflow_{component}")["readers"] == ["mlflow_backup"]


def test_backups_of_all_in_one(inventory, wire):
    (found,) = wire(inventory(on(*GROUPS, "backup"), BACKUP)).values()
    assert found["mlflow_server_database"]["host"] == "/run/postgresql"
    login = {"host": "/run/postgresql", "user": "mlflow_backup", "password": "database_password of a vault", "tls": "disable"}
    assert found["backup_databases"] == {"tracking": {**login, "name": "mlflow"}}
    assert found["backup_check_database"] == {**login, "name": "mlflow_check"}
    assert found["backup_artifacts"]["access_key_id"] == "mlflow-backup"
    assert found["backup_groups"] == ["mlflow"]
    assert json.loads(found["backup_secret_texts"]["vault.json"])["vault_postgres_mlflow_password"] == PASSWORD
    # Each of them is there, and may read alone.
    assert [user["roles"] for user in found["postgres_users"] if user["name"] == "mlflow_backup"] == [["pg_read_all_data"]]
    assert [(entry["name"], entry["owner"], entry.get("readers")) for entry in found["postgres_databases"]] == [
        ("mlflow", "mlflow", ["mlflow_backup"]),
        ("mlflow_rehearsal", "mlflow", None),
        ("mlflow_check", "mlflow_backup", None),
    ]
    assert [policy.get("access") for policy in found["minio_policies"] if policy["name"] == "mlflow-backup"] == ["read"]
    assert [user["policies"] for user in found["minio_users"] if user["access_key"] == "mlflow-backup"] == [["mlflow-backup"]]
    # A restore does what MLflow may.
    assert found["backup_restore_databases"] == {"tracking": found["mlflow_server_database"]}
    assert found["backup_restore_artifacts"]["access_key_id"] == found["mlflow_server_s3_access_key_id"]


def test_backups_on_a_host_of_their_own(inventory, wire):
    groups = {"postgres": ["db"], "minio": ["s3"], "mlflow_server": ["app"], "nginx_tls": ["web"], "backup": ["safe"]}
    found = wire(inventory(groups, BACKUP | {"site_firewall_enabled": True}))
    assert found["safe"]["backup_databases"]["tracking"]["host"] == "db"
    assert found["safe"]["backup_databases"]["tracking"]["tls"] == "verify-full"
    assert [Path(name).name for name in found["safe"]["backup_ca_files"]] == ["postgres.crt", "minio.crt"]
    assert found["safe"]["backup_secret_files"] == []
    (rule,) = [rule for rule in found["db"]["postgres_hba"] if "mlflow_backup" in rule["user"]]
    assert rule["address"] == "192.0.2.7"
    # One more than without backups.
    assert [len(rule["sources"]) for host in ("db", "s3") for rule in found[host]["firewall_rules"]] == [2, 3]


def test_without_a_backup_host_nobody_else_may_read(inventory, wire):
    (found,) = wire(inventory(on(*GROUPS))).values()
    assert [user["name"] for user in found["postgres_users"]] == ["mlflow"]
    assert [entry["name"] for entry in found["postgres_databases"]] == ["mlflow", "mlflow_rehearsal"]
    assert found["postgres_databases"][0]["readers"] == []
    assert [user["access_key"] for user in found["minio_users"]] == ["mlflow"]


def test_a_run_on_one_host_knows_the_other(inventory, wire):
    found = wire(inventory(on("postgres", "minio", "nginx_tls") | {"mlflow_server": ["app1", "app2"]}), "--limit", "app1")
    assert found["app1"]["mlflow_server_hosts"] == ["app1", "app2"]


# A group without hosts, and one that is not there at all.
@pytest.mark.parametrize(("empty", "apart"), [({"postgres": []}, False), ({}, True)], ids=["empty, one host", "missing, two hosts"])
def test_own_database(inventory, wire, empty, apart):
    groups = on("minio", "mlflow_server", "nginx_tls", nginx_tls=["web" if apart else "one"])
    found = wire(inventory(groups | empty, OWN_DATABASE))["one"]
    assert found["mlflow_server_database"] == OWN_DATABASE["site_database"]
    assert found["mlflow_server_backend_ca_file"] == ""


@pytest.mark.parametrize(("empty", "apart"), [({"minio": []}, False), ({}, True)], ids=["empty, one host", "missing, two hosts"])
def test_own_store(inventory, wire, empty, apart):
    groups = on("postgres", "mlflow_server", "nginx_tls", nginx_tls=["web" if apart else "one"])
    found = wire(inventory(groups | empty, OWN_STORE))["one"]
    assert found["mlflow_server_artifacts_destination"] == "s3://artifacts"
    assert found["mlflow_server_s3_endpoint_url"] == "https://s3.corp"
    assert found["mlflow_server_s3_access_key_id"] == "AKIA"
    assert found["mlflow_server_s3_secret_access_key"] == "minio_mlflow_secret_key of a vault"
    assert found["mlflow_server_s3_ca_file"] == ""


def test_store_of_aws_with_the_role_of_the_machine(inventory, wire):
    found = wire(inventory(on("postgres", "mlflow_server", "nginx_tls"), {"site_s3_endpoint_url": "", "site_s3_access_key_id": ""}))["one"]
    assert found["mlflow_server_s3_endpoint_url"] == ""
    assert found["mlflow_server_s3_access_key_id"] == found["mlflow_server_s3_secret_access_key"] == ""


@pytest.mark.parametrize(("empty", "address"), [({"nginx_tls": []}, "127.0.0.1"), ({}, "10.0.0.5")], ids=["empty", "missing"])
def test_own_front(inventory, wire, empty, address):
    found = wire(inventory(on("postgres", "minio", "mlflow_server") | empty, {"site_listen_address": address}))["one"]
    assert (found["mlflow_server_host"], found["mlflow_server_socket"]) == (address, "")
    assert found["mlflow_server_engine"] == "uvicorn"
    assert found["postgres_max_connections"] == 2 * 2 * 45 + 20
    assert found["site_public_ca_file"] == ""


def test_everything_is_ones_own_but_mlflow(inventory, wire):
    found = wire(inventory(on("mlflow_server"), OWN_DATABASE | OWN_STORE))["one"]
    assert found["mlflow_server_database"] == OWN_DATABASE["site_database"]
    assert found["mlflow_server_s3_endpoint_url"] == "https://s3.corp"
    assert found["mlflow_server_host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("left_out", "variables", "message"),
    [
        ("postgres", {}, "site_database is not set, though the group of that part in hosts.yml is empty"),
        ("minio", {}, "site_s3_endpoint_url is not set, though the group of that part in hosts.yml is empty"),
    ],
)
def test_what_is_missing_is_named(inventory, left_out, variables, message):
    folder = inventory(on(*(name for name in GROUPS if name != left_out)), variables)
    done = play(folder, "molecule/bad_input/wiring.yml")
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())


def test_engine_and_front_fit(inventory, wire):
    found = wire(inventory(on(*GROUPS)), "-e", "mlflow_server_engine=uvicorn")["one"]
    assert found["nginx_tls_fastapi_upstreams"] == []
    assert found["postgres_max_connections"] == 2 * 2 * 45 + 20


def test_each_host_opens_what_its_own_variables_say(inventory, wire):
    folder = inventory(on("postgres", "minio", "nginx_tls") | {"mlflow_server": ["app1", "app2"]})
    (folder / "host_vars").mkdir()
    (folder / "host_vars/app2.yml").write_text("{mlflow_server_workers: 5, mlflow_server_threads: 3}")
    assert wire(folder)["one"]["postgres_max_connections"] == 2 * (2 * 20 + 45) + 2 * (5 * 10 + 45) + 20


def test_database_by_a_uri(inventory, wire):
    """For what the parts cannot say: docs/bring-your-own.md."""
    variables = {"site_database": {}, "mlflow_server_backend_store_uri": "postgresql+psycopg2://me:pw@db/tracking?application_name=mlflow"}
    found = wire(inventory(on("minio", "mlflow_server", "nginx_tls"), variables))["one"]
    assert (found["mlflow_server_database"], found["mlflow_server_backend_store_uri"]) == ({}, variables["mlflow_server_backend_store_uri"])


def test_numbers_as_text(inventory, wire):
    numbers = "mlflow_server_workers=3 mlflow_server_pool_size=12 mlflow_server_max_overflow=8 mlflow_server_fastapi_workers=2"
    found = wire(inventory(on(*GROUPS)), "-e", numbers)["one"]
    assert int(found["postgres_max_connections"]) == 2 * (3 * 20 + 2 * 45) + 20


def test_the_example_of_a_vault_names_every_secret():
    folder = ROOT / "inventory.example/group_vars"
    asked = {name for path in folder.rglob("*.yml") for name in re.findall(r"\bvault_[a-z_]+\b", path.read_text())}
    assert set(re.findall("^(?:# )?(vault_[a-z_]+):", (folder / "all/vault.yml.example").read_text(), re.MULTILINE)) == asked


def read_vault(folder, password_file):
    argv = ["ansible-vault", "view", "--vault-password-file", str(password_file), str(folder / "group_vars/all/vault.yml")]
    return yaml.safe_load(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def test_secrets_are_made_once(inventory, tmp_path):
    folder = inventory(on(*GROUPS))
    vault = folder / "group_vars/all/vault.yml"
    vault.unlink()
    assert "changed=1 " in play(folder, "playbooks/secrets.yml", "--check").stdout
    assert not vault.exists()
    done = play(folder, "playbooks/secrets.yml", "-vvv")
    assert "ansible-vault encrypt" in done.stdout
    made = vault.read_text()
    values = yaml.safe_load(made)
    assert len(values) == 7
    assert len(set(values.values())) == 7
    assert min(len(value) for value in values.values()) >= 32
    assert vault.stat().st_mode & 0o777 == 0o600
    assert not [value for value in values.values() if value in done.stdout + done.stderr]
    assert "changed=0 " in play(folder, "playbooks/secrets.yml").stdout
    assert vault.read_text() == made


def test_secrets_that_are_there_stay(inventory):
    """Only what every site needs is added: keys that a running MLflow made for itself must stay in force."""
    folder = inventory(on(*GROUPS))
    vault = folder / "group_vars/all/vault.yml"
    vault.write_text('# mine\nvault_site_login_password: !unsafe "{{ mine }}"')
    (folder / "group_vars/all/zz.yml").write_text("vault_minio_root_password: from another file\n")
    assert "changed=1 " in play(folder, "playbooks/secrets.yml").stdout
    lines = vault.read_text().splitlines()
    assert lines[:2] == ["# mine", 'vault_site_login_password: !unsafe "{{ mine }}"']
    assert [line.split(":")[0] for line in lines[2:]] == ["vault_postgres_mlflow_password", "vault_minio_mlflow_secret_key"]


def test_secrets_are_encrypted_with_the_vault_password(inventory, tmp_path):
    password = tmp_path / "vault-password"
    password.write_text("of the vault\n")
    folder = inventory(on(*GROUPS))
    vault = folder / "group_vars/all/vault.yml"
    vault.unlink()
    done = play(folder, "playbooks/secrets.yml", "--vault-password-file", str(password))
    assert "It is encrypted" in done.stdout
    first = read_vault(folder, password)
    assert len(first) == 7
    short = {name: value for name, value in first.items() if name != "vault_site_login_password"}
    vault.write_text(yaml.safe_dump(short))
    subprocess.run(["ansible-vault", "encrypt", "--vault-password-file", str(password), str(vault)], check=True, capture_output=True)
    play(folder, "playbooks/secrets.yml", "--vault-password-file", str(password))
    second = read_vault(folder, password)
    assert {name: second[name] for name in short} == short
    assert second["vault_site_login_password"] not in ("", first["vault_site_login_password"])


ROTATIONS = {
    "nothing_asked": ({}, {}, "Say which secrets get new values, .* The kinds are database "),
    "unknown_kind": ({"rotate_secrets": ["s3", "databases"]}, {}, "rotate_secrets is a list of database, s3, .*, not of databases"),
    "part_of_others": ({"rotate_secrets": ["database", "login"]}, {"without": "postgres"}, "The site has no hosts in postgres, so that part is not its own"),
    "some_hosts": ({"rotate_secrets": ["login"]}, {"options": ["--limit", "one"]}, "Run the playbook without --limit"),
    "no_vault": ({"rotate_secrets": ["login"]}, {"vault": None}, "There is no .*vault.yml: ansible-playbook mlops.mlflow.secrets makes it"),
    "other_names": ({"rotate_secrets": ["login"]}, {"vault": "my_password: x"}, "vault_site_login_password would not come from .*Set it there alone"),
    "set_elsewhere": (
        {"rotate_secrets": ["login"], "vault_site_login_password": "of -e"},
        {},
        "vault_site_login_password would not come from .*another file or -e has another value",
    ),
    "template": (
        {"rotate_secrets": ["login"]},
        {"vault": "vault_site_login_password: '{{ site_public_name }}'"},
        "login_password .* is no plain text",
    ),
    "vault_without_mlflow_keys": ({"rotate_secrets": ["flask"]}, {}, "vault_mlflow_flask_secret_key would not come from .*the file lacks it"),
}


@pytest.mark.parametrize("case", ROTATIONS)
def test_what_cannot_be_rotated_is_refused_before_any_change(inventory, case):
    variables, how, said = ROTATIONS[case]
    folder = inventory(on(*(group for group in GROUPS if group != how.get("without"))))
    vault = folder / "group_vars/all/vault.yml"
    if "vault" in how:
        vault.unlink() if how["vault"] is None else vault.write_text(how["vault"])
    before = vault.read_text() if vault.exists() else None
    done = play(folder, "playbooks/rotate_secrets.yml", "-e", json.dumps(variables), *how.get("options", []))
    assert done.returncode != 0
    assert re.search(said, " ".join(done.stdout.split()))
    assert "PLAY [Facts" not in done.stdout
    assert (vault.read_text() if vault.exists() else None) == before
