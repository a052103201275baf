# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The admin API of MinIO and Silo: policies, users and groups."""

from __future__ import annotations

import json
import re
import ssl
import traceback
import types
import typing as t
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils import _policy

MINIO_REQUIREMENT = "minio 7.2.17 or newer"
try:
    import urllib3
    from minio import MinioAdmin
    from minio.credentials import StaticProvider
    from minio.crypto import decrypt
    from minio.error import MinioAdminException

    # Older releases take a policy only as a file.
    MINIO_IMPORT_ERROR = None if "policy" in MinioAdmin.policy_add.__code__.co_varnames else "The library is too old"
except ImportError:
    MINIO_IMPORT_ERROR = traceback.format_exc()


class MinioError(Exception):
    """A call failed, or what is wanted cannot be; the text says which one and why, the details what a caller may go by."""

    def __init__(self, message: str, code: str | None = None, **details: t.Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


_CAUSES = {
    "SignatureDoesNotMatch": "the password of {login} is wrong",
    "InvalidAccessKeyId": "the server does not know the user {login}",
    "AccessDenied": "{login} has no right to do this",
    "AuthorizationHeaderMalformed": "the server has another region than the one given",
    "RequestTimeTooSkewed": "the clocks of this host and of the server differ too much",
    "XMinioAdminNoSuchPolicy": "a policy of that name does not exist",
    "XMinioIAMPolicyInUse": "it is attached to a user or group",
    "XMinioIAMActionNotAllowed": "this is for users of the server itself, not for its root user, service accounts, temporary keys or LDAP",
}
# The server brings them back when it starts.
_BUILT_IN_POLICIES = {"consoleAdmin", "diagnostics", "readonly", "readwrite", "writeonly"}
_POLICY_KEYS = {"Version", "Id", "Statement"}
_STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}


def minio_argument_spec() -> dict[str, t.Any]:
    return {
        "endpoint_url": {"type": "str", "required": True},
        "login_user": {"type": "str", "required": True},
        "login_password": {"type": "str", "required": True, "no_log": True},
        "region": {"type": "str", "default": "us-east-1"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_file": {"type": "path"},
    }


def _tls_context(validate_certs: bool, ca_file: str | None) -> t.Any:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise MinioError(f"ca_file {ca_file} cannot be read: {exc}") from exc
    # From Python 3.13 on, authorities that OpenSSL's own command made are refused for their form; boto3 takes them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _names(text: str | None) -> list[str]:
    return sorted(filter(None, (text or "").split(",")))


def _user(info: dict[str, t.Any]) -> dict[str, t.Any]:
    # A user of a directory has no status.
    enabled = {"enabled": True, "disabled": False}.get(info.get("status", ""))
    return {"enabled": enabled, "policies": _names(info.get("policyName")), "groups": sorted(info.get("memberOf") or [])}


class Admin:
    """One server and one login."""

    # For those who have the object alone.
    Error = MinioError

    def __init__(
        self,
        endpoint_url: str,
        login_user: str,
        login_password: str,
        region: str = "us-east-1",
        validate_certs: bool = True,
        ca_file: str | None = None,
        session_token: str | None = None,
    ) -> None:
        url = urlsplit(endpoint_url)
        if url.scheme not in ("http", "https") or not url.netloc or url.path not in ("", "/"):
            raise MinioError(f"endpoint_url must look like https://host:port, not {endpoint_url!r}")
        if not re.fullmatch("[ -~]+", login_user):
            raise MinioError("login_user may hold printable ASCII characters only, because it is sent in a header")
        self.endpoint_url = endpoint_url
        self.login_user = login_user
        self._password = login_password
        self._options = {"endpoint": url.netloc, "secure": url.scheme == "https", "region": region}
        pool_options = {"ssl_context": _tls_context(validate_certs, ca_file)} if url.scheme == "https" else {}
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            # A redirect leads away from the API, and the login is not for others.
            retries=urllib3.Retry(total=3, connect=1, redirect=False, backoff_factor=0.5, status_forcelist=[502, 503, 504], raise_on_status=False),
            **pool_options,
        )
        self._client = self._login(login_user, login_password, session_token)

    def _login(self, user: str, password: str | None, session_token: str | None = None) -> t.Any:
        try:
            return MinioAdmin(credentials=StaticProvider(user, password, session_token), http_client=self._pool, **self._options)
        except ValueError as exc:
            raise MinioError(f"Failed to set up the connection to {self.endpoint_url}: {exc}") from exc

    def _call(self, action: str, function: t.Callable[..., t.Any], /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return function(*args, **kwargs)
        except MinioAdminException as exc:
            raise self._refusal(action, exc) from exc
        except urllib3.exceptions.HTTPError as exc:
            reason = getattr(exc, "reason", None) or exc
            if isinstance(reason, urllib3.exceptions.SSLError):
                cause = f"TLS failed, does ca_file hold the authority of the server's certificate, and does the certificate name the host? {reason}"
            else:
                cause = f"{self.endpoint_url} does not answer: {reason}"
            raise MinioError(f"Failed to {action}: {cause}") from exc
        except (ValueError, OSError) as exc:
            raise self._stranger(action, "200") from exc

    def _refusal(self, action: str, exc: t.Any) -> MinioError:
        try:
            answer = json.loads(exc._body)
        except ValueError:
            # What is refused before the admin API looks at it is refused as by S3. Other S3 servers do not get that far.
            found = re.search(r"<Code>(RequestTimeTooSkewed|XMinio\w+)</Code><Message>(.*?)</Message>", exc._body)
            answer = {"Code": found[1], "Message": found[2]} if found else None
        if not isinstance(answer, dict) or "Code" not in answer:
            return self._stranger(action, exc._code)
        code, message = answer["Code"], answer.get("Message", "")
        cause = _CAUSES[code].format(login=self.login_user) if code in _CAUSES else message
        if code == "InvalidAccessKeyId" and "disabled" in message:
            cause = f"the user {self.login_user} is disabled"
        return MinioError(f"Failed to {action}: {cause} ({code})", code)

    def _stranger(self, action: str, status: str) -> MinioError:
        hint = ", is the scheme of endpoint_url right?" if status == "400" else ""
        cause = f"what answers at {self.endpoint_url} is not the admin API of MinIO or Silo (HTTP {status}){hint}"
        return MinioError(f"Failed to {action}: {cause}", f"HTTP {status}")

    def _read(self, action: str, method: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """The answer of a call, as what its JSON means."""
        text = self._call(action, method, *args)
        try:
            answer = json.loads(text)
        except ValueError as exc:
            raise self._stranger(action, "200") from exc
        if not isinstance(answer, (dict, list, type(None))):
            raise self._stranger(action, "200")
        return answer or {}

    def policy(self, name: str) -> dict[str, t.Any]:
        """The policy as the server has it, {} if it has none of that name."""
        action = f"read the policy {name}"
        try:
            return _policy.parse(self._read(action, self._client.policy_info, name))
        except _policy.PolicyError as exc:
            raise self._stranger(action, "200") from exc
        except MinioError as exc:
            if exc.code == "XMinioAdminNoSuchPolicy":
                return {}
            raise

    def policies(self) -> dict[str, t.Any]:
        """All policies by name."""
        action = "list the policies"
        try:
            return {name: _policy.parse(policy) for name, policy in self._read(action, self._client.policy_list).items()}
        except _policy.PolicyError as exc:
            raise self._stranger(action, "200") from exc

    def holders(self, names: t.Iterable[str] = ()) -> dict[str, dict[str, list[str]]]:
        """Who has a policy, of all or of those named: {policy: {"users": [...], "groups": [...]}}. Nobody's policies are left out."""
        answer = self._read("find out who has which policy", self._client.get_policy_entities, [], [], list(names))
        return {
            mapping["policy"]: {"users": sorted(mapping.get("users") or []), "groups": sorted(mapping.get("groups") or [])}
            for mapping in answer.get("policyMappings") or []
        }

    def put_policy(self, name: str, policy: t.Any) -> None:
        self._call(f"write the policy {name}", self._client.policy_add, name, policy=policy)

    def remove_policy(self, name: str) -> None:
        self._call(f"remove the policy {name}", self._client.policy_remove, name)

    def user(self, access_key: str) -> dict[str, t.Any] | None:
        """The user's status, policies and groups, None where there is no such user."""
        try:
            return _user(self._read(f"read the user {access_key}", self._client.user_info, access_key))
        except MinioError as exc:
            if exc.code == "XMinioAdminNoSuchUser":
                return None
            raise

    def users(self) -> dict[str, dict[str, t.Any]]:
        """All users by name."""
        return {name: _user(info) for name, info in self._read("list the users", self._client.user_list).items()}

    def try_key(self, access_key: str, secret_key: str | None) -> str | None:
        """Use the pair in a call that every user may make about itself: None where the server takes it, or why it does not."""
        try:
            self._call(f"try the key {access_key}", self._login(access_key, secret_key).user_info, access_key)
        except MinioError as exc:
            if exc.code in ("SignatureDoesNotMatch", "InvalidAccessKeyId"):
                return exc.code
            # The root user is no user of this API, and a policy may forbid the call: the pair is right all the same.
            if exc.code not in ("AccessDenied", "XMinioAdminNoSuchUser"):
                raise
        return None

    def put_user(self, access_key: str, secret_key: str | None) -> None:
        """Create the user or give it this secret; either way it is enabled afterwards."""
        self._call(f"write the user {access_key}", self._client.user_add, access_key, secret_key)

    def enable_user(self, access_key: str, enabled: bool) -> None:
        method = self._client.user_enable if enabled else self._client.user_disable
        self._call(f"{'enable' if enabled else 'disable'} the user {access_key}", method, access_key)

    def set_policies(self, kind: str, name: str, policies: list[str]) -> None:
        """Give the policies, these and no others, to a user or a group."""
        self._call(f"give the {kind} {name} the policies {', '.join(policies) or '(none)'}", self._client.policy_set, ",".join(policies), **{kind: name})

    def remove_user(self, access_key: str) -> None:
        self._call(f"remove the user {access_key}", self._client.user_remove, access_key)

    def derived_keys(self, access_key: str) -> dict[str, list[str]]:
        """What the user has made of its key: {kind: names} of its service accounts and of its temporary keys. Kinds without any are left out.

        The server does not tell the temporary keys of a user that is disabled.
        """
        accounts = self._read(f"list the service accounts of the user {access_key}", self._client.list_service_account, access_key)
        action = f"list the temporary keys of the user {access_key}"
        query = {"listType": "sts-only", "users": access_key}
        answer = self._call_unnamed(action, "GET", "list-access-keys-bulk", query, preload_content=False)
        keys = self._read(action, decrypt, answer, self._password).get(access_key) or {}
        found = {"service_accounts": accounts.get("accounts"), "temporary_keys": keys.get("stsKeys")}
        return {kind: sorted(key["accessKey"] for key in keys) for kind, keys in found.items() if keys}

    def remove_derived_keys(self, access_key: str) -> None:
        for service_account in self.derived_keys(access_key).get("service_accounts", []):
            self._call(f"remove the service account {service_account}", self._client.delete_service_account, service_account)
        query = {"user": access_key, "fullRevoke": "true"}
        self._call_unnamed(f"revoke the temporary keys of the user {access_key}", "POST", "revoke-tokens/builtin", query)

    def _call_unnamed(self, action: str, method: str, command: str, query: dict[str, str], **options: t.Any) -> t.Any:
        """A call that the library has no name for."""
        named = types.SimpleNamespace(value=command)
        return self._call(action, self._client._url_open, method=method, command=named, query_params=query, **options)

    def group(self, name: str) -> dict[str, t.Any] | None:
        """The group's status, members and policies, None where there is no such group."""
        try:
            info = self._read(f"read the group {name}", self._client.group_info, name)
        except MinioError as exc:
            if exc.code == "XMinioAdminNoSuchGroup":
                return None
            raise
        enabled, policies = info.get("status") == "enabled", _names(info.get("policy"))
        if not enabled:
            # The server says that it has none as long as it is disabled.
            answer = self._read(f"read the policies of the group {name}", self._client.get_policy_entities, [], [name], [])
            policies = sorted(policy for mapping in answer.get("groupMappings") or [] for policy in mapping["policies"])
        return {"enabled": enabled, "members": sorted(info.get("members") or []), "policies": policies}

    def groups(self) -> list[str]:
        """The names of all groups."""
        return sorted(self._read("list the groups", self._client.group_list))

    def add_members(self, name: str, members: list[str]) -> None:
        """Add users to the group, which is created where it is missing."""
        self._call(f"add members to the group {name}", self._client.group_add, name, members)

    def remove_members(self, name: str, members: list[str]) -> None:
        self._call(f"remove members from the group {name}", self._client.group_remove, name, members)

    def enable_group(self, name: str, enabled: bool) -> None:
        method = self._client.group_enable if enabled else self._client.group_disable
        self._call(f"{'enable' if enabled else 'disable'} the group {name}", method, name)

    def remove_group(self, name: str) -> None:
        self._call(f"remove the group {name}", self._client.group_remove, name)

    def quota(self, bucket: str) -> int | None:
        """How many bytes the bucket may hold, 0 where there is no limit."""
        found = self._read(f"read the quota of bucket {bucket}", self._client.bucket_quota_get, bucket)
        return found.get("size") or found.get("quota") or 0

    def set_quota(self, bucket: str, size: int) -> None:
        self._call(f"change the quota of bucket {bucket}", self._client.bucket_quota_set, bucket, size)


def check_name(kind: str, name: str, reserved: str = ",") -> None:
    """Refuse what the server refuses, and what it silently stores under another name."""
    problem = None
    if not name:
        problem = "it is empty"
    elif name != name.strip():
        problem = "it must not begin or end with a space"
    elif not name.isprintable():
        problem = "it must hold printable characters only"
    elif set(name) & set(reserved):
        problem = f"it must not hold {' or '.join(reserved)}"
    elif {"", ".", ".."} & set(name.split("/")):
        problem = "slashes must stand between other characters than dots alone"
    if problem:
        raise MinioError(f"The {kind} {name!r} cannot be: {problem}")


def _check_key_pair(access_key: str, secret_key: str) -> None:
    if len(access_key) < 3:
        raise MinioError(f"The access_key {access_key!r} is too short: the server wants 3 characters or more")
    if not access_key.isascii():
        raise MinioError(f"The access_key {access_key!r} may hold ASCII characters only, because clients send it in a header")
    if len(secret_key.encode()) < 8:
        raise MinioError(f"The secret_key of the user {access_key} is too short: the server wants 8 bytes or more")


def _check_policy(name: str, policy: t.Any) -> None:
    """Refuse what the server refuses, or leaves out without a word."""
    problems = [f"it cannot have {key}" for key in sorted(set(policy) - _POLICY_KEYS)]
    if policy["Version"] != "2012-10-17":
        problems.append("its Version must be 2012-10-17")
    for statement in policy["Statement"]:
        problems += [f"its statements cannot have {key}" for key in sorted(set(statement) - _STATEMENT_KEYS)]
        if statement.get("Effect") not in ("Allow", "Deny"):
            problems.append("the Effect of a statement must be Allow or Deny")
        if not statement.get("Action") and not statement.get("NotAction"):
            problems.append("a statement needs an Action")
    if problems:
        raise MinioError(f"The policy {name} is not one for users: {'; '.join(dict.fromkeys(problems))}")


def _check_policies_exist(admin: Admin, holder: str, names: t.Iterable[str]) -> None:
    known = admin.policies()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise MinioError(f"{holder} cannot have policies that do not exist: {', '.join(unknown)}", unknown_policies=unknown)


def ensure_policy(
    admin: Admin,
    name: str,
    policy: t.Any = None,
    bucket: str | None = None,
    access: str = "write",
    prefix: str | None = None,
    state: str = "present",
    check_mode: bool = False,
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Bring one policy to what is wanted, or to one for access to a bucket; returns it as it was and as it is."""
    check_name("policy", name)
    if state == "absent":
        before = _policy.canonical(admin.policy(name))
        if before:
            if name in _BUILT_IN_POLICIES:
                raise MinioError(f"The policy {name} cannot be removed: it is built into the server")
            holders = admin.holders([name]).get(name, {"users": [], "groups": []})
            if any(holders.values()):
                who = "; ".join(f"{kind} {', '.join(names)}" for kind, names in holders.items() if names)
                raise MinioError(f"The policy {name} cannot be removed: it is attached to {who}", None, **holders)
            if not check_mode:
                admin.remove_policy(name)
        return before, {}
    after = _policy.canonical(policy if bucket is None else _policy.for_bucket(bucket, access, prefix))
    if not after:
        raise MinioError(f"The policy {name} is empty: use state=absent to remove it")
    _check_policy(name, after)
    before = _policy.canonical(admin.policy(name))
    if before != after and not check_mode:
        # In the form to compare, because the server widens or refuses some others.
        admin.put_policy(name, after)
    return before, after


def ensure_user(
    admin: Admin,
    access_key: str,
    secret_key: str | None = None,
    policies: list[str] | None = None,
    enabled: bool | None = None,
    state: str = "present",
    check_mode: bool = False,
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Bring one user to what is wanted; returns it as it was and as it is, without its secret."""
    check_name("access_key", access_key, reserved=",=")
    current = admin.user(access_key)
    before = {"access_key": access_key, **current} if current else {}
    if current is None and access_key == admin.login_user:
        raise MinioError(f"{access_key} is the server's root user, which its configuration defines")
    if current and current["enabled"] is None:
        raise MinioError(f"The user {access_key} comes from a directory and cannot be managed here")
    if state == "absent":
        if current:
            _check_not_oneself(admin, access_key)
            before.update(admin.derived_keys(access_key))
            if not check_mode:
                # The server keeps temporary keys, and they would serve again for a new user of that name.
                admin.remove_derived_keys(access_key)
                admin.remove_user(access_key)
        return before, {}

    for policy in policies or []:
        check_name("policy", policy)
    if secret_key is not None:
        _check_key_pair(access_key, secret_key)
    elif current is None:
        raise MinioError(f"The user {access_key} does not exist, and without a secret_key it cannot be created")
    wanted = dict(current or {"enabled": True, "policies": [], "groups": []})
    if enabled is not None:
        wanted["enabled"] = enabled
    if policies is not None:
        wanted["policies"] = sorted(set(policies))

    is_enabled = current is not None and current["enabled"]
    if current is None:
        if admin.try_key(access_key, secret_key) != "InvalidAccessKeyId":
            raise MinioError(f"The user {access_key} cannot be created: it is the server's root user")
        write_secret = True
    else:
        # A disabled user cannot be asked; one that is about to be enabled gets its secret anew.
        write_secret = secret_key is not None and wanted["enabled"] and not (is_enabled and admin.try_key(access_key, secret_key) is None)
    new_policies = wanted["policies"] != (current or {}).get("policies", [])
    if new_policies:
        if current and not is_enabled and not wanted["enabled"]:
            raise MinioError(f"The policies of the user {access_key} cannot be changed: the server does that only for a user that is enabled")
        _check_policies_exist(admin, f"The user {access_key}", wanted["policies"])
    after = {"access_key": access_key, **wanted}
    if write_secret:
        # The diff says that the secret changes, not what it is.
        after["key_pair"] = "as given"
        if before:
            before["key_pair"] = "not as given" if is_enabled else "unknown"
    if before != after:
        _check_not_oneself(admin, access_key)
    if write_secret and current:
        # They need the old secret no more, and would outlive it.
        derived_keys = admin.derived_keys(access_key)
        before.update(derived_keys)
        after.update({key: [] for key in derived_keys})

    if not check_mode:
        if write_secret and current:
            # Before the secret, so that a run that breaks off here does it again.
            admin.remove_derived_keys(access_key)
        if write_secret:
            admin.put_user(access_key, secret_key)
        if write_secret and current:
            # What the old secret has made meanwhile.
            admin.remove_derived_keys(access_key)
        elif wanted["enabled"] and not is_enabled:
            admin.enable_user(access_key, True)
        if new_policies:
            admin.set_policies("user", access_key, wanted["policies"])
        if not wanted["enabled"] and (is_enabled or write_secret):
            admin.enable_user(access_key, False)
    return before, after


def _check_not_oneself(admin: Admin, access_key: str) -> None:
    if access_key == admin.login_user:
        raise MinioError(f"The user {access_key} cannot be changed or removed by itself: log in as another one")


def ensure_group(
    admin: Admin,
    name: str,
    members: list[str] | None = None,
    policies: list[str] | None = None,
    enabled: bool | None = None,
    state: str = "present",
    force: bool = False,
    check_mode: bool = False,
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Bring one group to what is wanted; returns it as it was and as it is."""
    check_name("group", name, reserved=",=")
    current = admin.group(name)
    before = {"name": name, **current} if current else {}
    if state == "absent":
        if current:
            if current["members"] and not force:
                raise MinioError(
                    f"The group {name} cannot be removed: it still has the members {', '.join(current['members'])}. With force it is removed all the same",
                    members=current["members"],
                )
            if not check_mode:
                if current["members"]:
                    admin.remove_members(name, current["members"])
                admin.remove_group(name)
        return before, {}

    for policy in policies or []:
        check_name("policy", policy)
    old = current or {"enabled": True, "members": [], "policies": []}
    wanted = dict(old)
    if enabled is not None:
        wanted["enabled"] = enabled
    if members is not None:
        wanted["members"] = sorted(set(members))
    if policies is not None:
        wanted["policies"] = sorted(set(policies))
    added = [member for member in wanted["members"] if member not in old["members"]]
    removed = [member for member in old["members"] if member not in wanted["members"]]
    unknown = [member for member in added if admin.user(member) is None]
    if unknown:
        raise MinioError(f"The group {name} cannot have members that are not users of the server: {', '.join(unknown)}", unknown_members=unknown)
    if wanted["policies"] != old["policies"]:
        _check_policies_exist(admin, f"The group {name}", wanted["policies"])

    if not check_mode:
        if current is None:
            admin.add_members(name, [])
        # First what takes rights away, last what gives them.
        if not wanted["enabled"] and old["enabled"]:
            admin.enable_group(name, False)
        if removed:
            admin.remove_members(name, removed)
        if wanted["policies"] != old["policies"]:
            admin.set_policies("group", name, wanted["policies"])
        if added:
            admin.add_members(name, added)
        if wanted["enabled"] and not old["enabled"]:
            admin.enable_group(name, True)
    return before, {"name": name, **wanted}


def list_policies(admin: Admin, name: str | None = None) -> list[dict[str, t.Any]]:
    """The policy of that name, or all, with who has them."""
    if name is None:
        found = admin.policies()
    else:
        check_name("policy", name)
        policy = admin.policy(name)
        found = {name: policy} if policy else {}
    holders = admin.holders([] if name is None else [name]) if found else {}
    nobody: dict[str, list[str]] = {"users": [], "groups": []}
    return [{"name": key, "policy": _policy.canonical(found[key]), **holders.get(key, nobody)} for key in sorted(found)]


def list_users(admin: Admin, access_key: str | None = None) -> list[dict[str, t.Any]]:
    """The user of that name, or all."""
    if access_key is None:
        found = admin.users()
    else:
        check_name("access_key", access_key, reserved=",=")
        user = admin.user(access_key)
        found = {access_key: user} if user else {}
    return [{"access_key": key, **found[key]} for key in sorted(found)]


def list_groups(admin: Admin, name: str | None = None) -> list[dict[str, t.Any]]:
    """The group of that name, or all."""
    if name is not None:
        check_name("group", name, reserved=",=")
    found = {key: admin.group(key) for key in (admin.groups() if name is None else [name])}
    return [{"name": key, **group} for key, group in sorted(found.items()) if group]
