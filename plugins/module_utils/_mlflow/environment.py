# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The environment of the server: which names the role sets from its own variables, and the names that a server may be called by."""

from __future__ import annotations

import typing as t

# The name, and the variable that says the value. What the role's templates set, as tests/unit/plugins/module_utils/test_mlflow_inside.py compares.
FROM_VARIABLES = {
    "FORWARDED_ALLOW_IPS": "mlflow_server_forwarded_allow_ips",
    "HOME": "mlflow_server_data_dir",
    "MLFLOW_ARTIFACTS_DESTINATION": "mlflow_server_artifacts_destination",
    "MLFLOW_AUTH_CONFIG_PATH": "mlflow_server_login",
    "MLFLOW_BACKEND_STORE_URI": "mlflow_server_backend_store_uri",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "mlflow_server_crypto_passphrase",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow_server_default_artifact_root",
    "MLFLOW_DISABLE_TELEMETRY": "mlflow_server_telemetry_enabled",
    "MLFLOW_ENABLE_WORKSPACES": "mlflow_server_workspaces_enabled",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "mlflow_server_flask_secret_key",
    "MLFLOW_GUNICORN_OPTS": "mlflow_server_gunicorn_opts",
    "MLFLOW_HOST": "mlflow_server_host",
    "MLFLOW_MODEL_CATALOG_URI": "mlflow_server_model_catalog_url",
    "MLFLOW_PORT": "mlflow_server_port",
    "MLFLOW_REGISTRY_STORE_URI": "mlflow_server_registry_store_uri",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow_server_allowed_hosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "mlflow_server_cors_allowed_origins",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "mlflow_server_jobs_enabled",
    "MLFLOW_SERVE_ARTIFACTS": "mlflow_server_serve_artifacts",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "mlflow_server_max_overflow",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "mlflow_server_pool_recycle",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "mlflow_server_pool_size",
    "MLFLOW_UVICORN_OPTS": "mlflow_server_uvicorn_opts",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "mlflow_server_webhook_secret_key",
    "MLFLOW_WORKERS": "mlflow_server_workers",
    "SERVE_SOCKET": "mlflow_server_socket",
}
# Where artifacts are in S3.
FROM_S3_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "mlflow_server_s3_access_key_id",
    "AWS_CA_BUNDLE": "mlflow_server_s3_ca_file",
    "AWS_DEFAULT_REGION": "mlflow_server_s3_region",
    "AWS_SECRET_ACCESS_KEY": "mlflow_server_s3_secret_access_key",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "mlflow_server_s3_addressing_style",
    "MLFLOW_S3_ENDPOINT_URL": "mlflow_server_s3_endpoint_url",
    "MLOPS_S3_PUBLIC_URL": "mlflow_server_s3_public_url",
}
# Where the server has such keys of its own.
FROM_AZURE_VARIABLES = {
    "AZURE_STORAGE_ACCESS_KEY": "mlflow_server_azure_storage_access_key",
    "AZURE_STORAGE_CONNECTION_STRING": "mlflow_server_azure_storage_connection_string",
}
FROM_GCS_VARIABLES = {"GOOGLE_APPLICATION_CREDENTIALS": "mlflow_server_gcs_credentials"}
# Single sign-on.
FROM_OIDC_VARIABLES = {
    "AUTOMATIC_LOGIN_REDIRECT": "mlflow_server_login",
    "DEFAULT_LANDING_PAGE_IS_PERMISSIONS": "mlflow_server_login",
    "DEFAULT_MLFLOW_PERMISSION": "mlflow_server_default_permission",
    "OIDC_ADMIN_GROUP_NAME": "mlflow_server_oidc_admin_groups",
    "OIDC_AUDIENCE": "mlflow_server_oidc_audience",
    "OIDC_CLIENT_ID": "mlflow_server_oidc_client_id",
    "OIDC_CLIENT_SECRET": "mlflow_server_oidc_client_secret",
    "OIDC_DB_POOL_MAX_OVERFLOW": "mlflow_server_max_overflow",
    "OIDC_DB_POOL_RECYCLE_SECONDS": "mlflow_server_pool_recycle",
    "OIDC_DB_POOL_SIZE": "mlflow_server_pool_size",
    "OIDC_DISCOVERY_URL": "mlflow_server_oidc_issuer_url",
    "OIDC_GROUPS_ATTRIBUTE": "mlflow_server_oidc_groups_claim",
    "OIDC_GROUP_NAME": "mlflow_server_oidc_groups",
    "OIDC_ISSUER": "mlflow_server_oidc_issuer_url",
    "OIDC_PROVISION_ON_BEARER_AUTH": "mlflow_server_login",
    "OIDC_REDIRECT_URI": "mlflow_server_oidc_redirect_url",
    "OIDC_SCOPE": "mlflow_server_oidc_scopes",
    "OIDC_USERNAME_FIELD": "mlflow_server_oidc_username_claims",
    "OIDC_USERS_DB_URI": "mlflow_server_auth_database",
    "OIDC_USE_REFRESH_TOKEN": "mlflow_server_oidc_refresh_tokens_enabled",
    "SECRET_KEY": "mlflow_server_flask_secret_key",
    "SESSION_COOKIE_NAME": "mlflow_server_login",
    "SESSION_COOKIE_SECURE": "mlflow_server_login",
    "SSL_CERT_FILE": "mlflow_server_oidc_ca_file",
}
# The machine asks itself by these. What has a star is a pattern of Python's fnmatch, in which a bracket begins a set of characters.
LOCAL = ("localhost", "localhost:*", "127.0.0.1:*", "[[]::1]:*")


def taken_names(names: t.Iterable[str], s3: bool, oidc: bool = False, azure: bool = False, gcs: bool = False) -> list[str]:
    """Those that the role sets from a variable, each with that."""
    chosen = ((s3, FROM_S3_VARIABLES), (oidc, FROM_OIDC_VARIABLES), (azure, FROM_AZURE_VARIABLES), (gcs, FROM_GCS_VARIABLES))
    variables = FROM_VARIABLES | {name: variable for wanted, names_of in chosen if wanted for name, variable in names_of.items()}
    return [f"{name} (set {variables[name]})" for name in names if name in variables]


def allowed_hosts(names: list[str]) -> list[str]:
    """MLflow compares the whole Host header: a name is allowed with and without a port. None leave the rule to MLflow."""
    with_ports = [f"{name}:*" for name in names if not set(name) & set("*:")]
    return sorted({*names, *with_ports, *LOCAL}) if names else []
