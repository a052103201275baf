# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What users and roles of a tracking server may do: what is wanted, compared with what is there."""

from __future__ import annotations

import typing as t
from urllib.parse import quote, unquote

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_api import DEFAULT_WORKSPACE, DISABLED, NO_ROUTE, NOT_FOUND, OWN_ROLE, Api, ApiError, State

ALL = "*"
# What has a name of its own. The rest is granted for all of a workspace.
NAMED_TYPES = ["experiment", "registered_model", "prompt", "scorer", "gateway_endpoint", "gateway_model_definition", "gateway_secret", "mcp_server"]
WHOLE_TYPES = [
    "workspace",
    "run",
    "trace",
    "assessment",
    "logged_model",
    "review_queue",
    "registered_model_version",
    "prompt_version",
    "scorer_version",
    "mcp_server_version",
]
PERMISSIONS = ["READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS", "DENY"]
# Kinds of the gateway: their path, and what the server calls their name and their id.
_GATEWAY = {
    "gateway_endpoint": ("endpoints", "name", "endpoint_id"),
    "gateway_model_definition": ("model-definitions", "name", "model_definition_id"),
    "gateway_secret": ("secrets", "secret_name", "secret_id"),
}


class Resource(t.NamedTuple):
    """What a permission is for, as the server knows it."""

    kind: str
    id: str


class _Names:
    """Turns names into what the server knows resources by, and back."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._found: dict[tuple[str, str], str] = {}
        self._catalogs: dict[str, dict[str, str]] = {}

    def resource(self, item: State) -> Resource | None:
        """The resource that an item of a task means, None where it does not exist."""
        kind, name = item["type"], item["name"]
        if name == ALL:
            return Resource(kind, ALL)
        if kind in WHOLE_TYPES:
            raise ApiError(f"Permissions for {kind} are for all of them: set name to {ALL!r}, not {name!r}")
        found = self._scorer(item) if kind == "scorer" else self._id(kind, name)
        return None if found is None else Resource(kind, found)

    def _id(self, kind: str, name: str) -> str | None:
        key = (kind, name)
        if key not in self._found:
            try:
                self._found[key] = self._look_up(kind, name)
            except ApiError as exc:
                if exc.code != NOT_FOUND:
                    raise
                return None
        return self._found[key]

    def _look_up(self, kind: str, name: str) -> str:
        action = f"find the {kind} {name}"
        if kind == "experiment":
            return str(self._api.get(action, "2.0/mlflow/experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])
        if kind in _GATEWAY:
            ids = {found: key for key, found in self.catalog(kind).items()}
            if name not in ids:
                raise ApiError(f"Failed to {action}", code=NOT_FOUND)
            return ids[name]
        if kind == "mcp_server":
            self._api.get(action, f"3.0/mlflow/mcp-servers/{quote(name)}")
        else:
            tags = self._api.get(action, "2.0/mlflow/registered-models/get", name=name)["registered_model"].get("tags", [])
            if kind == "prompt" and not any(tag["key"] == "mlflow.prompt.is_prompt" for tag in tags):
                raise ApiError(f"Failed to {action}: it is a model", code=NOT_FOUND)
        return name

    def _scorer(self, item: State) -> str | None:
        if not item["experiment"]:
            raise ApiError(f"The scorer {item['name']} needs experiment, the name of the one that it is registered in")
        experiment = self._id("experiment", item["experiment"])
        if experiment is None:
            return None
        answer = self._api.get(f"list the scorers of {item['experiment']}", "3.0/mlflow/scorers/list", experiment_id=experiment)
        known = {scorer["scorer_name"] for scorer in answer.get("scorers", [])}
        return f"{experiment}/{quote(item['name'], safe='')}" if item["name"] in known else None

    def catalog(self, kind: str) -> dict[str, str]:
        """All resources of a kind that has ids: their names by their ids."""
        if kind not in self._catalogs:
            self._catalogs[kind] = self._experiments() if kind == "experiment" else self._of_the_gateway(kind)
        return self._catalogs[kind]

    def _of_the_gateway(self, kind: str) -> dict[str, str]:
        path, name, key = _GATEWAY[kind]
        answer = self._api.get(f"list the {kind}s", f"3.0/mlflow/gateway/{path}/list")
        return {entry[key]: entry[name] for entry in answer.get(path.replace("-", "_"), [])}

    def _experiments(self) -> dict[str, str]:
        found: dict[str, str] = {}
        page = {"max_results": 1000, "view_type": "ALL"}
        while True:
            answer = self._api.send("list the experiments", "POST", "2.0/mlflow/experiments/search", **page)
            found.update({entry["experiment_id"]: entry["name"] for entry in answer.get("experiments", [])})
            if not answer.get("next_page_token"):
                return found
            page["page_token"] = answer["next_page_token"]

    def item(self, resource: Resource, permission: str) -> State:
        """A permission as a task would name it, with the id where the resource is no more."""
        kind, name = resource
        item = {"type": kind, "name": name, "permission": permission}
        if name == ALL:
            return item
        if kind == "scorer":
            experiment, _separator, scorer = name.partition("/")
            return {**item, "name": unquote(scorer), "experiment": self.catalog("experiment").get(experiment, experiment)}
        if kind == "experiment" or kind in _GATEWAY:
            return {**item, "name": self.catalog(kind).get(name, name)}
        return item


class _RoleGrants:
    """What a role may do, in MLflow 3.12 and newer."""

    def __init__(self, api: Api, name: str, workspace: str) -> None:
        role = api.role(name, workspace)
        if role is None:
            raise ApiError(f"The role {name} does not exist in the workspace {workspace}")
        self.api = api
        self.holder = f"the role {name}"
        self._role_id = role["id"]
        self._rows = role["permissions"]

    def read(self, wanted: t.Collection[Resource], everything: bool) -> dict[Resource, str]:
        return {Resource(row["resource_type"], row["resource_pattern"]): row["permission"] for row in self._rows}

    def check(self, resource: Resource, permission: str) -> None:
        if permission == "NO_PERMISSIONS":
            raise ApiError(
                f"NO_PERMISSIONS is for users of MLflow 3.12 and older alone: leave the {resource.kind} {resource.id} out, so that default_permission of the"
                " server counts, or set DENY, which MLflow 3.17 and newer know"
            )

    def add(self, resource: Resource, permission: str) -> None:
        content = {"role_id": self._role_id, "resource_type": resource.kind, "resource_pattern": resource.id, "permission": permission}
        self.api.send(self._action("give", resource), "POST", "3.0/mlflow/roles/permissions/add", **content)

    def change(self, resource: Resource, permission: str) -> None:
        content = {"role_permission_id": self._row_id(resource), "permission": permission}
        self.api.send(self._action("change", resource), "PATCH", "3.0/mlflow/roles/permissions/update", **content)

    def remove(self, resource: Resource) -> None:
        self.api.send(self._action("remove", resource), "DELETE", "3.0/mlflow/roles/permissions/remove", role_permission_id=self._row_id(resource))

    def _action(self, verb: str, resource: Resource) -> str:
        return f"{verb} the permission of {self.holder} for the {resource.kind} {resource.id}"

    def _row_id(self, resource: Resource) -> int:
        return next(row["id"] for row in self._rows if (row["resource_type"], row["resource_pattern"]) == resource)


class _UserGrants(_RoleGrants):
    """What a user may do, in MLflow 3.13 and newer, which keep it in a role of that user for each workspace."""

    def __init__(self, api: Api, name: str, workspace: str, rows: list[State]) -> None:
        self.api = api
        self.holder = f"the user {name}"
        self._name = name
        self._rows = [row for row in rows if row["role_name"].startswith(OWN_ROLE) and row["workspace"] == workspace]

    def check(self, resource: Resource, permission: str) -> None:
        super().check(resource, permission)
        if resource.kind == "workspace":
            raise ApiError(f"MLflow 3.13 and newer give the permission for a workspace to roles only: give it to one, and the role to {self.holder}")

    def add(self, resource: Resource, permission: str) -> None:
        content = {"username": self._name, "resource_type": resource.kind, "resource_id": resource.id, "permission": permission}
        self.api.send(self._action("give", resource), "POST", "3.0/mlflow/users/permissions/grant", **content)

    def _row_id(self, resource: Resource) -> int:
        if "id" not in self._rows[0]:
            action = f"read the permissions of {self.holder}"
            answer = self.api.get(action, "3.0/mlflow/roles/permissions/list", role_id=str(self._rows[0]["role_id"]))
            self._rows = answer["role_permissions"]
        return super()._row_id(resource)


# Up to MLflow 3.12: the path of each kind, what it calls the permission, and the id.
_OLD_KINDS = {
    "experiment": ("2.0/mlflow/experiments", "experiment_permission", "experiment_id"),
    "registered_model": ("2.0/mlflow/registered-models", "registered_model_permission", "name"),
    "scorer": ("3.0/mlflow/scorers", "scorer_permission", "scorer_name"),
    **{kind: (f"3.0/mlflow/gateway/{path}", f"{kind}_permission", key) for kind, (path, _name, key) in _GATEWAY.items()},
}


class _OldUserGrants:
    """What a user may do, up to MLflow 3.12, which keep it by kind of resource."""

    def __init__(self, api: Api, names: _Names, name: str, workspace: str, user: State) -> None:
        self.api = api
        self.holder = f"the user {name}"
        self._names = names
        self._name = name
        self._workspace = workspace
        self._user = user

    def read(self, wanted: t.Collection[Resource], everything: bool) -> dict[Resource, str]:
        found: dict[Resource, str] = {}
        for kind, (_path, permission, key) in _OLD_KINDS.items():
            for row in self._user.get(f"{permission}s", []):
                # Experiments are of one workspace each; the server does not say here of which.
                if row.get("workspace", self._workspace) == self._workspace:
                    resource_id = f"{row['experiment_id']}/{quote(row[key], safe='')}" if kind == "scorer" else str(row[key])
                    found[Resource(kind, resource_id)] = row["permission"]
        if everything or any(resource.kind == "workspace" for resource in wanted):
            found.update(self._of_workspace())
        # Those for the gateway are told one at a time.
        of_gateway = {resource for resource in wanted if resource.kind in _GATEWAY}
        if everything:
            of_gateway = {Resource(kind, key) for kind in _GATEWAY for key in self._names.catalog(kind)}
        for resource in sorted(of_gateway):
            found.update(self._of_gateway(resource))
        return found

    def _of_workspace(self) -> dict[Resource, str]:
        try:
            rows = self.api.get(f"read the workspaces of {self.holder}", "3.0/mlflow/workspace-permissions", username=self._name)["permissions"]
        except ApiError as exc:
            if exc.code not in (NO_ROUTE, DISABLED):
                raise
            return {}
        return {Resource("workspace", ALL): row["permission"] for row in rows if row["workspace"] == self._workspace}

    def _of_gateway(self, resource: Resource) -> dict[Resource, str]:
        path, permission, key = _OLD_KINDS[resource.kind]
        try:
            answer = self.api.get(self._action("read", resource), f"{path}/permissions/get", **{key: resource.id}, username=self._name)
        except ApiError as exc:
            if exc.code != NOT_FOUND:
                raise
            return {}
        return {resource: answer[permission]["permission"]}

    def check(self, resource: Resource, permission: str) -> None:
        if resource.kind != "workspace" and (resource.kind not in _OLD_KINDS or resource.id == ALL):
            what = f"for {resource.kind}" if resource.kind not in _OLD_KINDS else f"for each {resource.kind} at once"
            raise ApiError(f"MLflow {self.api.version()} knows no permissions of users {what}")

    def add(self, resource: Resource, permission: str) -> None:
        self._send("give", "POST", "create", resource, permission=permission)

    def change(self, resource: Resource, permission: str) -> None:
        self._send("change", "PATCH", "update", resource, permission=permission)

    def remove(self, resource: Resource) -> None:
        self._send("remove", "DELETE", "delete", resource)

    def _action(self, verb: str, resource: Resource) -> str:
        return f"{verb} the permission of {self.holder} for the {resource.kind} {resource.id}"

    def _send(self, verb: str, method: str, call: str, resource: Resource, **content: str) -> None:
        if resource.kind == "workspace":
            path = f"3.0/mlflow/workspaces/{self._workspace}/permissions"
            self.api.send(self._action(verb, resource), "DELETE" if call == "delete" else "POST", path, username=self._name, **content)
            return
        path, _permission, key = _OLD_KINDS[resource.kind]
        ids = {key: resource.id}
        if resource.kind == "scorer":
            experiment, _separator, scorer = resource.id.partition("/")
            ids = {"experiment_id": experiment, key: unquote(scorer)}
        self.api.send(self._action(verb, resource), method, f"{path}/permissions/{call}", username=self._name, **ids, **content)


_Grants = t.Union[_RoleGrants, _OldUserGrants]


def _grants_of(api: Api, names: _Names, user: str | None, role: str | None, workspace: str) -> _Grants:
    api.enter(workspace)
    if user is None:
        return _RoleGrants(api, role or "", workspace)
    found: State | None = None
    try:
        answer = api.get(f"read the permissions of {user}", "3.0/mlflow/users/permissions/list", username=user)
        return _UserGrants(api, user, workspace, answer["permissions"])
    except ApiError as exc:
        if exc.code == NO_ROUTE:
            found = api.user(user)
        elif exc.code != NOT_FOUND:
            raise
    if found is None:
        raise ApiError(f"The user {user} does not exist")
    return _OldUserGrants(api, names, user, workspace, found)


def take_everything(api: Api, user: str, workspaces: list[str]) -> None:
    """Take all permissions and roles from a user, up to MLflow 3.12."""
    for workspace in workspaces:
        api.enter(workspace)
        # Models are told for the workspace alone.
        grants = _OldUserGrants(api, _Names(api), user, workspace, api.user(user) or {})
        for resource in grants.read((), everything=True):
            grants.remove(resource)
    for role in api.roles_of_user(user):
        api.send(f"take the role {role['name']} from {user}", "DELETE", "3.0/mlflow/roles/unassign", username=user, role_id=role["id"])


def _label(item: State) -> str:
    return f"{item['type']} {item['experiment']}/{item['name']}" if item.get("experiment") else f"{item['type']} {item['name']}"


def ensure_permissions(
    api: Api,
    permissions: list[State],
    user: str | None = None,
    role: str | None = None,
    workspace: str = DEFAULT_WORKSPACE,
    exclusive: bool = False,
    state: str = "present",
    check_mode: bool = False,
) -> tuple[State, State]:
    """Bring the permissions of a user or a role to what is wanted; returns those that were looked at as they were and as they are."""
    names = _Names(api)
    grants = _grants_of(api, names, user, role, workspace)
    present = state == "present"
    items: dict[Resource, State] = {}
    missing = []
    for item in permissions:
        resource = names.resource(item)
        if resource is None:
            missing.append(_label(item))
            continue
        if resource in items:
            raise ApiError(f"The permission for the {_label(item)} is listed twice")
        if present:
            if item["permission"] is None:
                raise ApiError(f"The permission for the {_label(item)} is not said: set permission")
            grants.check(resource, item["permission"])
        items[resource] = item
    if present and missing:
        raise ApiError(f"These do not exist in the workspace {workspace}, so {grants.holder} cannot have permissions for them: {', '.join(missing)}")

    current = grants.read(items, everything=present and exclusive)
    if present:
        wanted = {resource: item["permission"] for resource, item in items.items()}
        removed = [resource for resource in current if resource not in wanted] if exclusive else []
        items.update({resource: names.item(resource, current[resource]) for resource in removed})
    else:
        wanted = {}
        removed = [resource for resource in items if resource in current]
    if not check_mode:
        for resource in removed:
            grants.remove(resource)
        for resource, permission in wanted.items():
            if resource not in current:
                grants.add(resource, permission)
            elif current[resource] != permission:
                grants.change(resource, permission)
    holder = {"user": user} if user is not None else {"role": role}

    def shown(values: dict[Resource, str]) -> State:
        known = {_label(items[resource]): values[resource] for resource in sorted(items) if resource in values}
        return {**holder, "workspace": workspace, "permissions": known}

    return shown(current), shown(wanted)


def list_permissions(api: Api, user: str | None = None, role: str | None = None, workspace: str = DEFAULT_WORKSPACE) -> list[State]:
    """What the user or the role itself may do in the workspace."""
    names = _Names(api)
    found = _grants_of(api, names, user, role, workspace).read((), everything=True)
    return sorted((names.item(resource, permission) for resource, permission in found.items()), key=_label)
