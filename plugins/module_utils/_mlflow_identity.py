# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Users, roles and workspaces of a tracking server: what is wanted, compared with what is there."""

from __future__ import annotations

import re
from urllib.parse import quote

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api import (
    DEFAULT_WORKSPACE,
    DISABLED,
    NO_ROUTE,
    NOT_FOUND,
    OWN_ROLE,
    SHIPPED_PASSWORD,
    Api,
    ApiError,
    State,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_grants import take_everything

_MINIMUM = 12


def _user_ids(api: Api) -> dict[int, str]:
    return {user["id"]: user["username"] for user in api.users()}


def _members(api: Api, role: State, names: dict[int, str]) -> list[str]:
    answer = api.get(f"read who has the role {role['name']}", "3.0/mlflow/roles/users/list", role_id=str(role["id"]))
    return sorted(names[assignment["user_id"]] for assignment in answer["assignments"] if assignment["user_id"] in names)


def password_problem(password: str) -> str:
    """Why MLflow's login takes no such password, or should not; empty where it may be."""
    if not password.isascii():
        # Where MLflow runs on FastAPI, it decodes logins so.
        return "may hold ASCII characters only: MLflow takes no others for artifacts, traces and the gateway"
    if len(password) < _MINIMUM:
        return f"is too short: MLflow takes {_MINIMUM} characters or more"
    if password == SHIPPED_PASSWORD:
        return "is the one that older versions of MLflow were shipped with, which everybody knows: set another one"
    return ""


def _check_login(name: str, password: str) -> None:
    if not name.isascii():
        raise ApiError(f"The name {name} may hold ASCII characters only: MLflow takes no others for artifacts, traces and the gateway")
    if problem := password_problem(password):
        raise ApiError(f"The password of {name} {problem}")


def ensure_user(
    api: Api,
    name: str,
    password: str | None = None,
    update_password: str = "always",  # noqa: S107 - when, not what
    admin: bool | None = None,
    state: str = "present",
    check_mode: bool = False,
) -> tuple[State, State]:
    """Bring one user to what is wanted; returns it as it was and as it is, without its password."""
    if not name or ":" in name:
        raise ApiError(f"The name of a user must not be empty or hold a colon, or it could not log in: {name!r}")
    oneself = name == api.login_user
    wanted_password = password if state == "present" else None
    may_change = update_password != "on_create"  # noqa: S105 - when, not what
    if wanted_password is not None:
        _check_login(name, wanted_password)
    try:
        user = api.user(name)
    except ApiError as exc:
        # A run before this one may have changed the password that it logged in with.
        if exc.status != 401 or not oneself or wanted_password is None or not may_change or not api.accepts(name, wanted_password):
            raise
        api.log_in(name, wanted_password)
        user = api.user(name)
    before: State = {"name": name, "admin": user["is_admin"]} if user else {}
    if state == "absent":
        if user and oneself:
            raise ApiError(f"The user {name} cannot be removed by itself: log in as another administrator")
        if user and not check_mode:
            if "experiment_permissions" in user:
                # Up to 3.12 the database lets no user go who has anything.
                take_everything(api, name, _workspace_names(api))
            api.send(f"remove the user {name}", "DELETE", "2.0/mlflow/users/delete", username=name)
        return before, {}

    if user is None and wanted_password is None:
        raise ApiError(f"The user {name} does not exist, and without a password it cannot be made")
    after: State = {"name": name, "admin": before.get("admin", False) if admin is None else admin}
    if oneself and before.get("admin") and not after["admin"]:
        raise ApiError(f"The user {name} cannot take its own rights away: log in as another administrator")
    if user is None:
        after["login"] = "password as given"
    elif wanted_password is not None and may_change and not (oneself and api.login_password == wanted_password) and not api.accepts(name, wanted_password):
        # Tried also where the login holds another one, which a worker with a cache may have taken though it has been changed.
        # The diff says that the password changes, not what it is.
        before["login"], after["login"] = "another password", "password as given"
    if check_mode:
        return before, after

    if user is None:
        api.send(f"make the user {name}", "POST", "2.0/mlflow/users/create", username=name, password=wanted_password)
    if before.get("admin", False) != after["admin"]:
        action = f"{'make' if after['admin'] else 'no longer have'} {name} an administrator"
        api.send(action, "PATCH", "2.0/mlflow/users/update-admin", username=name, is_admin=after["admin"])
    if user and "login" in after:
        # Newer versions ask for the old one where users change their own.
        proof = {"current_password": api.login_password} if oneself else {}
        api.send(f"change the password of {name}", "PATCH", "2.0/mlflow/users/update-password", username=name, password=wanted_password, **proof)
    return before, after


def ensure_role(
    api: Api,
    name: str,
    workspace: str = DEFAULT_WORKSPACE,
    description: str | None = None,
    users: list[str] | None = None,
    exclusive: bool = False,
    state: str = "present",
    check_mode: bool = False,
) -> tuple[State, State]:
    """Bring one role to what is wanted; returns it as it was and as it is, with its users where they were asked for."""
    if not name.strip() or name.startswith(OWN_ROLE):
        raise ApiError(f"The name of a role must not be empty or begin with {OWN_ROLE}, which MLflow keeps for itself: {name!r}")
    api.enter(workspace)
    role = api.role(name, workspace)
    before: State = {"name": name, "workspace": workspace, "description": role["description"] or ""} if role else {}
    if state == "absent":
        if role and not check_mode:
            api.send(f"remove the role {name}", "DELETE", "3.0/mlflow/roles/delete", role_id=role["id"])
        return before, {}

    after = {"name": name, "workspace": workspace, "description": before.get("description", "") if description is None else description}
    added: list[str] = []
    removed: list[str] = []
    if users is not None:
        names = _user_ids(api)
        unknown = sorted(set(users) - set(names.values()))
        if unknown:
            raise ApiError(f"The role {name} cannot be given to users that do not exist: {', '.join(unknown)}")
        current = _members(api, role, names) if role else []
        added = sorted(set(users) - set(current))
        removed = sorted(set(current) - set(users)) if exclusive else []
        if role:
            before["users"] = current
        after["users"] = sorted((set(current) | set(users)) - set(removed))
    if check_mode:
        return before, after

    if role is None:
        content = {"name": name, "workspace": workspace, "description": after["description"]}
        role = api.send(f"make the role {name}", "POST", "3.0/mlflow/roles/create", **content)["role"]
    elif before["description"] != after["description"]:
        api.send(f"describe the role {name}", "PATCH", "3.0/mlflow/roles/update", role_id=role["id"], description=after["description"])
    for user in removed:
        api.send(f"take the role {name} from {user}", "DELETE", "3.0/mlflow/roles/unassign", username=user, role_id=role["id"])
    for user in added:
        api.send(f"give the role {name} to {user}", "POST", "3.0/mlflow/roles/assign", username=user, role_id=role["id"])
    return before, after


_WORKSPACE_OPTIONS = ("description", "default_artifact_root", "trace_archival_location", "trace_archival_retention")
# As MLflow checks it.
_WORKSPACE_NAME = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])")
_WORKSPACE_TAKEN = ("ajax-api", "api", "static-files", "workspaces")


def _workspace(answer: State) -> State:
    archival = answer.get("trace_archival_config") or {}
    values = {**answer, **{f"trace_archival_{key}": value for key, value in archival.items()}}
    return {"name": answer["name"], **{key: values.get(key) or "" for key in _WORKSPACE_OPTIONS}}


def _workspace_content(values: State) -> State:
    """As the server takes it."""
    archival = {key.rpartition("_")[2]: values[key] for key in values if key.startswith("trace_archival_")}
    plain = {key: value for key, value in values.items() if not key.startswith("trace_archival_")}
    return {**plain, **({"trace_archival_config": archival} if archival else {})}


def _workspaces_path(name: str = "") -> str:
    return "3.0/mlflow/workspaces" + (f"/{quote(name, safe='')}" if name else "")


def _find_workspace(api: Api, name: str) -> State:
    try:
        return _workspace(api.get(f"read the workspace {name}", _workspaces_path(name))["workspace"])
    except ApiError as exc:
        if exc.code == NOT_FOUND:
            return {}
        raise _need_workspaces(api, exc) from exc


def _all_workspaces(api: Api) -> list[State]:
    answer = api.get("list the workspaces", _workspaces_path())
    return sorted(map(_workspace, answer.get("workspaces", [])), key=lambda workspace: workspace["name"])


def _need_workspaces(api: Api, exc: ApiError) -> ApiError:
    if exc.code != NO_ROUTE:
        return exc
    return ApiError(f"{exc}: MLflow {api.version()} has no workspaces, 3.10 and newer have them with --enable-workspaces", exc.status, exc.code)


def _workspace_names(api: Api) -> list[str]:
    """Also where there is but one."""
    try:
        return [workspace["name"] for workspace in _all_workspaces(api)]
    except ApiError as exc:
        if exc.code not in (NO_ROUTE, DISABLED):
            raise
        return [DEFAULT_WORKSPACE]


def ensure_workspace(
    api: Api, name: str, resources: str = "refuse", state: str = "present", check_mode: bool = False, **wanted: str | None
) -> tuple[State, State]:
    """Bring one workspace to what is wanted; returns it as it was and as it is."""
    if not _WORKSPACE_NAME.fullmatch(name) or name in _WORKSPACE_TAKEN:
        raise ApiError(
            f"The name of a workspace must be 2 to 63 small letters, digits and hyphens, not begin or end with a hyphen,"
            f" and not be one of {', '.join(_WORKSPACE_TAKEN)}: {name!r}"
        )
    before = _find_workspace(api, name)
    if state == "absent":
        if name == DEFAULT_WORKSPACE:
            raise ApiError(f"The workspace {name} cannot be removed: it is MLflow's own")
        if before and not check_mode:
            mode = {"refuse": "RESTRICT", "move": "SET_DEFAULT", "remove": "CASCADE"}[resources]
            api.send(f"remove the workspace {name}", "DELETE", f"{_workspaces_path(name)}?mode={mode}")
        return before, {}

    given = {key: value.strip() for key, value in wanted.items() if value is not None}
    after = {**(before or _workspace({"name": name})), **given}
    changed = {key: value for key, value in given.items() if before.get(key, "") != value}
    if check_mode:
        return before, after
    if not before:
        answer = api.send(f"make the workspace {name}", "POST", _workspaces_path(), name=name, **_workspace_content(changed))
    elif changed:
        answer = api.send(f"change the workspace {name}", "PATCH", _workspaces_path(name), **_workspace_content(changed))
    else:
        return before, after
    missed = sorted(key for key in changed if _workspace(answer["workspace"])[key] != changed[key])
    if missed:
        raise ApiError(f"MLflow {api.version()} does not know or changes these options of the workspace {name}: {', '.join(missed)}")
    return before, after


def list_users(api: Api, name: str | None = None) -> list[State]:
    """The user of that name, or all."""
    found = []
    for user in api.users():
        if name not in (None, user["username"]):
            continue
        if "roles" not in user:
            user = {**user, **(api.user(user["username"]) or {}), "roles": api.roles_of_user(user["username"])}
        roles = sorted((role["workspace"], role["name"]) for role in user["roles"] if not role["name"].startswith(OWN_ROLE))
        roles_of_user = [{"name": role, "workspace": workspace} for workspace, role in roles]
        found.append({"name": user["username"], "admin": user["is_admin"], "roles": roles_of_user})
    return sorted(found, key=lambda user: user["name"])


def list_roles(api: Api, name: str | None = None, workspace: str | None = None) -> list[State]:
    """The roles of that name and workspace, or all."""
    roles = api.roles(workspace)
    names = _user_ids(api) if roles else {}
    found = [
        {"name": role["name"], "workspace": role["workspace"], "description": role["description"] or "", "users": _members(api, role, names)}
        for role in roles
        if name in (None, role["name"])
    ]
    return sorted(found, key=lambda role: (role["workspace"], role["name"]))


def list_workspaces(api: Api, name: str | None = None) -> list[State]:
    """The workspace of that name, or all that the login may see."""
    if name is not None:
        return list(filter(None, [_find_workspace(api, name)]))
    try:
        return _all_workspaces(api)
    except ApiError as exc:
        raise _need_workspaces(api, exc) from exc
