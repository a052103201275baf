# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The admin API of MinIO and Silo: policies and users."""

from __future__ import annotations

import json
import ssl
import traceback
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils import _policy

try:
    import urllib3
    from minio import MinioAdmin
    from minio.credentials import StaticProvider
    from minio.error import MinioAdminException

    MINIO_IMPORT_ERROR = None
except ImportError:
    MINIO_IMPORT_ERROR = traceback.format_exc()


class MinioError(Exception):
    """A call failed; the text says which one and why."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


_CAUSES = {
    "SignatureDoesNotMatch": "the password of {login} is wrong",
    "InvalidAccessKeyId": "the user {login} is unknown to the server or disabled",
    "AccessDenied": "{login} has no right to do this",
    "AuthorizationHeaderMalformed": "the server has another region than the one given",
    "RequestTimeTooSkewed": "the clocks of this host and of the server differ too much",
    "XMinioAdminNoSuchPolicy": "a policy of that name does not exist",
    "XMinioIAMPolicyInUse": "it is attached to a user or group",
}


def minio_argument_spec():
    return {
        "endpoint_url": {"type": "str", "required": True},
        "login_user": {"type": "str", "required": True},
        "login_password": {"type": "str", "required": True, "no_log": True},
        "region": {"type": "str", "default": "us-east-1"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_file": {"type": "path"},
    }


def _tls_context(validate_certs, ca_file):
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise MinioError(f"ca_file {ca_file} cannot be read: {exc}") from exc
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Admin:
    """One server and one login."""

    def __init__(self, endpoint_url, login_user, login_password, region="us-east-1", validate_certs=True, ca_file=None):
        url = urlsplit(endpoint_url)
        if url.scheme not in ("http", "https") or not url.netloc or url.path not in ("", "/"):
            raise MinioError(f"endpoint_url must look like https://host:port, not {endpoint_url!r}")
        self.endpoint_url = endpoint_url
        self.login_user = login_user
        self._options = {"endpoint": url.netloc, "secure": url.scheme == "https", "region": region}
        self._pool_options = {
            "timeout": urllib3.Timeout(connect=5, read=30),
            "retries": urllib3.Retry(total=3, connect=1, backoff_factor=0.5, status_forcelist=[502, 503, 504], raise_on_status=False),
        }
        if url.scheme == "https":
            self._pool_options["ssl_context"] = _tls_context(validate_certs, ca_file)
        self._client = self._login(login_user, login_password)

    def _login(self, user, password):
        try:
            return MinioAdmin(credentials=StaticProvider(user, password), http_client=urllib3.PoolManager(**self._pool_options), **self._options)
        except ValueError as exc:
            raise MinioError(f"endpoint_url {self.endpoint_url} cannot be used: {exc}") from exc

    def _call(self, action, method, *args, **kwargs):
        try:
            return method(*args, **kwargs)
        except MinioAdminException as exc:
            try:
                answer = json.loads(exc._body)
            except ValueError:
                answer = {"Code": f"HTTP {exc._code}", "Message": "no S3 admin API answers at this address"}
            code = answer.get("Code", "")
            cause = _CAUSES.get(code, answer.get("Message", "")).format(login=self.login_user)
            raise MinioError(f"Failed to {action}: {cause} ({code})", code) from exc
        except urllib3.exceptions.HTTPError as exc:
            reason = getattr(exc, "reason", None) or exc
            if isinstance(reason, urllib3.exceptions.SSLError):
                cause = f"TLS failed, does ca_file hold the authority of the server's certificate, and does the certificate name the host? {reason}"
            else:
                cause = f"{self.endpoint_url} does not answer: {reason}"
            raise MinioError(f"Failed to {action}: {cause}") from exc

    def policy(self, name):
        """The policy as the server has it, {} if it has none of that name."""
        try:
            return _policy.parse(self._call(f"read the policy {name}", self._client.policy_info, name))
        except MinioError as exc:
            if exc.code == "XMinioAdminNoSuchPolicy":
                return {}
            raise

    def put_policy(self, name, policy):
        self._call(f"write the policy {name}", self._client.policy_add, name, policy=policy)

    def remove_policy(self, name):
        self._call(f"remove the policy {name}", self._client.policy_remove, name)

    def user(self, access_key):
        """The user's status and policies, None where there is no such user."""
        try:
            info = json.loads(self._call(f"read the user {access_key}", self._client.user_info, access_key))
        except MinioError as exc:
            if exc.code == "XMinioAdminNoSuchUser":
                return None
            raise
        return {"enabled": info.get("status") == "enabled", "policies": sorted(filter(None, info.get("policyName", "").split(",")))}

    def accepts(self, access_key, secret_key):
        """Whether the server takes this pair: asked with a call that every user may make about itself."""
        try:
            self._call(f"try the key {access_key}", self._login(access_key, secret_key).user_info, access_key)
        except MinioError as exc:
            if exc.code in ("SignatureDoesNotMatch", "InvalidAccessKeyId"):
                return False
            if exc.code is None:
                raise
        return True

    def put_user(self, access_key, secret_key):
        """Create the user or give it this secret; either way it is enabled afterwards."""
        self._call(f"write the user {access_key}", self._client.user_add, access_key, secret_key)

    def enable_user(self, access_key, enabled):
        method = self._client.user_enable if enabled else self._client.user_disable
        self._call(f"{'enable' if enabled else 'disable'} the user {access_key}", method, access_key)

    def set_policies(self, access_key, policies):
        self._call(f"give the user {access_key} the policies {', '.join(policies) or '(none)'}", self._client.policy_set, ",".join(policies), user=access_key)

    def remove_user(self, access_key):
        self._call(f"remove the user {access_key}", self._client.user_remove, access_key)


def ensure_user(admin, access_key, secret_key=None, policies=None, enabled=None, state="present", check_mode=False):
    """Bring one user to what is wanted; returns it as it was and as it is, without its secret."""
    current = admin.user(access_key)
    if state == "absent":
        if current and not check_mode:
            admin.remove_user(access_key)
        return ({"access_key": access_key, **current} if current else {}), {}
    if current is None and secret_key is None:
        raise MinioError(f"The user {access_key} does not exist, and without a secret_key it cannot be created")

    wanted = dict(current or {"enabled": True, "policies": []})
    if enabled is not None:
        wanted["enabled"] = enabled
    if policies is not None:
        wanted["policies"] = sorted(set(policies))
    # A disabled user cannot be asked; one that is about to be enabled gets its secret anew.
    write_secret = current is None or (secret_key is not None and wanted["enabled"] and not (current["enabled"] and admin.accepts(access_key, secret_key)))

    new_policies = wanted["policies"] != (current or {}).get("policies", [])
    if new_policies and current and not current["enabled"] and not wanted["enabled"]:
        raise MinioError(f"The policies of the user {access_key} cannot be changed: the server does that only for a user that is enabled")

    if not check_mode:
        is_enabled = current is not None and current["enabled"]
        if write_secret:
            admin.put_user(access_key, secret_key)
        elif wanted["enabled"] and not is_enabled:
            admin.enable_user(access_key, True)
        if new_policies:
            admin.set_policies(access_key, wanted["policies"])
        if not wanted["enabled"] and (is_enabled or write_secret):
            admin.enable_user(access_key, False)

    before = {"access_key": access_key, **current} if current else {}
    after = {"access_key": access_key, **wanted}
    if write_secret:
        # The diff says that the secret changes, not what it is.
        after["key_pair"] = "as given"
        if before:
            before["key_pair"] = "not as given"
    return before, after
