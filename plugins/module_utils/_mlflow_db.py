# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The database of an MLflow server: where its schema is, where it could be, and how to get there."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import typing as t
from importlib.abc import InspectLoader

from ansible_collections.mlops.mlflow.plugins.module_utils import (
    _artifact_places,
    _mlflow_db_agent,
    _mlflow_db_backup,
    _mlflow_db_connection,
    _mlflow_db_content,
    _mlflow_db_restore,
    _mlflow_uri,
    _restore_point,
    _sqlite_copy,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import schema, stored_secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import KEK_PASSPHRASE, KEK_VERSION, WEBHOOK_KEY, read_environment_file
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_uri import DRIVERS, MlflowDbError, Uri, build_uri

# Whose migrations are one transaction, as MLflow runs them.
TRANSACTIONAL = ("postgresql", "mssql")
# How timeout(1) ends when it had to kill: as a rule it is in the group that it kills.
KILLED = (-9, 128 + 9)
FIND_MLFLOW = "import importlib.util as u; s = u.find_spec('mlflow'); print(s.submodule_search_locations[0] if s else '')"
BOOTSTRAP = """
import json, sys, types
request = json.load(sys.stdin)
for name, text in request.pop("programs"):
    sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), sys.modules[name].__dict__)
sys.modules[name].run(request)
"""
# In the order in which they import each other.
PROGRAMS = (
    _mlflow_uri,
    schema,
    stored_secrets,
    _mlflow_db_connection,
    _mlflow_db_content,
    _mlflow_db_backup,
    _mlflow_db_restore,
    _restore_point,
    _sqlite_copy,
    _artifact_places,
    _mlflow_db_agent,
)

# What errors say, in the words of the servers and drivers.
REFUSED = re.compile(
    "authentication failed for user|no password supplied|no pg_hba.conf entry|Access denied for user|Login failed|authentication method", re.IGNORECASE
)
MISSING = re.compile(r'(?:role|database) "[^"]*" does not exist|Unknown database')
TLS = re.compile(r"\bSSL\b|certificate|\bTLS\b")
NO_RIGHT = re.compile(r"permission denied|must be owner|command denied|read-?only|transaction_read_only", re.IGNORECASE)
LOST = re.compile(
    "closed the connection|closed unexpectedly|connection is closed|consuming input failed|terminating connection|Lost connection|gone away|shutting down",
    re.IGNORECASE,
)
# Numbers from 2000 on are of the client: it found no server.
MYSQL_REFUSAL = re.compile(r"\(1\d{3},")
OTHER_SCHEMA = re.compile(
    r"already exists|Duplicate column|Duplicate key name|no such (?:table|column)|does not exist|doesn't exist|Unknown column|check that (?:it|column)"
)


def source_of(programs: t.Iterable[t.Any]) -> list[tuple[str, t.Any]]:
    """Name and text of Python modules, as BOOTSTRAP takes them."""
    return [(program.__name__, t.cast(InspectLoader, program.__loader__).get_source(program.__name__)) for program in programs]


class Migrations:
    """The revision graph of one MLflow."""

    def __init__(self, revisions: list[dict[str, t.Any]], whose: str) -> None:
        """revisions as schema.read_migrations finds them, whose they are for messages."""
        self.parents = {one["revision"]: one["parents"] for one in revisions}
        self.titles = {one["revision"]: one["title"] for one in revisions}
        heads = set(self.parents) - {parent for parents in self.parents.values() for parent in parents}
        if not heads:
            raise MlflowDbError(f"{whose} has no database migrations")
        if len(heads) > 1:
            raise MlflowDbError(f"{whose} has more than one newest revision: {', '.join(sorted(heads))}")
        self.head = heads.pop()

    def pending(self, revision: str | None) -> list[dict[str, str]]:
        """What lies between a revision (None: nothing yet) and the head, in the order in which it would run."""
        done = set()
        queue = [revision] if revision else []
        while queue:
            known = queue.pop()
            if known not in done:
                done.add(known)
                queue += self.parents[known]
        order = []

        def visit(name: str) -> None:
            if name in done:
                return
            done.add(name)
            for parent in self.parents[name]:
                visit(parent)
            order.append({"revision": name, "title": self.titles[name]})

        visit(self.head)
        return order


def state_of(found: dict[str, t.Any], migrations: Migrations) -> tuple[str, str | None]:
    """(state, revision) of a database, from what the agent found in it."""
    revisions = found["revisions"]
    if not revisions:
        return ("foreign" if found["tables"] else "empty"), None
    if len(revisions) > 1:
        return "foreign", ", ".join(revisions)
    revision = revisions[0]
    if revision == migrations.head:
        return "current", revision
    if revision in migrations.parents:
        return "behind", revision
    return ("ahead" if found["mlflow"] else "foreign"), revision


class Database:
    """One MLflow database, seen with the MLflow of one Python."""

    def __init__(
        self,
        run_command: t.Callable[..., t.Any],
        uri: str,
        python: str,
        component: str = "tracking",
        timeout: int | None = None,
        release: dict[str, t.Any] | None = None,
    ) -> None:
        """run_command is AnsibleModule's; timeout is in seconds and for all that follows together, 0 or None is no limit.

        release is another MLflow than the one of this Python, of which only its version and its revisions are known.
        """
        self.run_command = run_command
        self.uri = Uri(uri)
        self.python = python
        self.component = component
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout if timeout else None
        folder = self._find_mlflow()
        if release is None:
            with open(os.path.join(folder, "version.py"), encoding="utf-8") as stream:
                version = re.findall(r"""^VERSION\b[^=]*=\s*["']([^"']+)""", stream.read(), re.MULTILINE)[0]
            release = {"version": version, component: schema.read_migrations(folder, component)}
        self.mlflow_version: str = release["version"]
        self.migrations = Migrations(release[component], f"The MLflow {self.mlflow_version} of {self.python}")

    @classmethod
    def from_options(cls, run_command: t.Callable[..., t.Any], options: dict[str, t.Any]) -> t.Any:
        """From the options that argument_spec describes."""
        uri = options["backend_store_uri"]
        if uri is None:
            uri = build_uri(**{name: options[name] for name in CONNECTION})
        python = options["python"] or os.path.join(options["virtualenv"], "bin", "python")
        return cls(run_command, uri, python, options["component"], options["timeout"], options.get("release"))

    def _find_mlflow(self) -> str:
        if not os.path.exists(self.python):
            raise MlflowDbError(f"There is no Python in {self.python}: install MLflow first, or correct virtualenv or python")
        status, output, errors = self.run_command([self.python, "-I", "-c", FIND_MLFLOW], cwd="/")
        if status:
            raise MlflowDbError(f"The Python {self.python} does not run: {errors.strip()[-500:]}")
        if not output.strip():
            raise MlflowDbError(f"There is no MLflow in the Python {self.python}")
        return output.strip()

    def info(
        self,
        upgrade: bool = False,
        backup_dir: str | None = None,
        rehearsal: t.Any = False,
        rehearsal_database: str | None = None,
        keys: dict[str, str] | None = None,
        former_keys: dict[str, str] | None = None,
        workspaces: bool = False,
    ) -> dict[str, t.Any]:
        """What is there. With upgrade=True it must also be possible to upgrade it, with a backup into backup_dir and a rehearsal if these are given.

        keys, named as in the environment of a server, are tried on the secrets that are stored, and then former_keys. With workspaces=True these are counted.
        """
        wanted = {"upgrade": upgrade, "backup_dir": backup_dir, "rehearsal": rehearsal, "rehearsal_database": rehearsal_database}
        found = self._ask("inspect", head=self.migrations.head, keys=keys, former_keys=former_keys or {}, workspaces=workspaces, **wanted)
        state, revision = state_of(found, self.migrations)
        info = {
            "state": state,
            "current_revision": revision,
            "head_revision": self.migrations.head,
            "pending": self.migrations.pending(revision) if state in ("empty", "behind") else [],
            "mlflow_version": self.mlflow_version,
            **{key: found[key] for key in ("dialect", "server_version", "bytes", "max_connections", "secrets", "workspaces")},
        }
        if upgrade:
            self._refuse_unknown(info, found)
            if found["objection"]:
                raise MlflowDbError(self.explain(found["objection"]))
        return info

    def _refuse_unknown(self, info: dict[str, t.Any], found: dict[str, t.Any]) -> None:
        """Nothing may be done to a database that this MLflow does not understand."""
        if info["state"] == "ahead":
            raise MlflowDbError(
                f"The database {self.uri.place} is newer than this MLflow: its revision {info['current_revision']} is unknown to MLflow {self.mlflow_version}, "
                f"whose newest is {info['head_revision']}. Use the MLflow version that upgraded it, or restore a backup from before that upgrade"
            )
        if info["state"] == "foreign" and len(found["revisions"]) > 1:
            raise MlflowDbError(
                f"The database {self.uri.place} has several revisions at once: {info['current_revision']}. Its migrations were run in a way that MLflow "
                "does not; restore a backup in which alembic's version table has one row"
            )
        if info["state"] == "foreign" and found["mlflow"] and not found["revisions"]:
            raise MlflowDbError(
                f"The database {self.uri.place} has MLflow's tables but no revision, as after a first start that was broken off: "
                "drop its tables if nothing is in them, or restore a backup"
            )
        if info["state"] == "foreign":
            what = f"revision {info['current_revision']}" if info["current_revision"] else "tables without a revision"
            raise MlflowDbError(
                f"The database {self.uri.place} holds {what} and is not an MLflow {self.component} database. Use an empty database, one for each component"
            )

    def backup_file(self, folder: str, info: dict[str, t.Any]) -> str:
        """A name that says which database, in which state, and when."""
        name = re.sub(r"[^\w.-]", "_", os.path.basename(self.uri.database))
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return os.path.join(folder, f"{name}-{info['current_revision']}-{when}{_mlflow_db_backup.SUFFIXES[self.uri.kind]}")

    def upgrade(self, info: dict[str, t.Any], lock_timeout: int, wait_timeout: int, backup_file: str | None = None) -> t.Any:
        """Bring the schema to head; returns whether its revision moved. Whatever goes wrong, the error says what the database is like now."""
        try:
            done = self._ask("upgrade", head=self.migrations.head, lock_timeout=lock_timeout, wait_timeout=wait_timeout, backup_file=backup_file)
            if done["after"] != [self.migrations.head]:
                raise MlflowDbError(f"The upgrade ended at revision {', '.join(done['after']) or 'none'}")
        except MlflowDbError as exc:
            raise MlflowDbError(f"{exc}. {self._aftermath(info, backup_file) if exc.began else 'This upgrade has changed nothing'}") from exc
        return done["before"] != done["after"]

    def _aftermath(self, info: dict[str, t.Any], backup_file: str | None) -> str:
        self.timeout, self.deadline = None, time.monotonic() + 30
        while True:
            try:
                now = self.info()
                break
            except MlflowDbError as exc:
                if time.monotonic() > self.deadline - 5:
                    return f"Whether the database has changed is not known, because it cannot be asked: {exc}"
                # A server that restarts needs a moment.
                time.sleep(2)
        if now["state"] == "current":
            text = f"The database is at the newest revision {now['head_revision']} now"
        elif now["current_revision"] == info["current_revision"] and self.uri.kind in TRANSACTIONAL:
            text = f"The database is as it was, at revision {now['current_revision'] or 'none'}"
        else:
            remedy = "restore a backup" if info["current_revision"] else "drop its tables"
            text = (
                f"The revision is {now['current_revision'] or 'none'} now and was {info['current_revision'] or 'none'}. {self.uri.kind} cannot undo "
                f"a migration that was broken off: if this one had begun, {remedy} before the next attempt"
            )
        if backup_file and os.path.exists(backup_file):
            text += f". The backup from before is {backup_file}"
        return text

    def restore(self, backup_file: str, lock_timeout: int, wait_timeout: int, only_check: bool = False) -> tuple[str | None, str | None]:
        """Bring the database back to a backup, or only see whether that can be; returns the revisions of before and now."""
        request = {"lock_timeout": lock_timeout, "wait_timeout": wait_timeout, "only_check": only_check}
        done = self._ask("restore", backup_file=backup_file, **request)
        return ", ".join(done["before"]) or None, ", ".join(done["after"]) or None

    def save(self, name: str, folder: str, lock_timeout: int) -> dict[str, t.Any]:
        """Write a backup into the folder of a restore point; returns what that says of the database, under this name."""
        found: dict[str, t.Any] = self._ask("save", name=name, folder=folder, lock_timeout=lock_timeout)
        return found

    def rekey(self, keys: dict[str, str], former_keys: dict[str, str], lock_timeout: int, wait_timeout: int) -> dict[str, int]:
        """Encrypt with the keys what the former keys alone can read; returns how many secrets of each kind."""
        return self._ask("rekey", keys=keys, former_keys=former_keys, lock_timeout=lock_timeout, wait_timeout=wait_timeout)

    def artifacts(self, former: dict[str, t.Any] | None, wanted: dict[str, t.Any]) -> dict[str, t.Any]:
        """Where artifacts are, which of them a server with the wanted settings would strand, and the way out of it."""
        found: dict[str, t.Any] = self._ask("artifacts", former=former, wanted=wanted)
        return found

    def relocate(self, locations: dict[str, str], lock_timeout: int, wait_timeout: int, only_check: bool = False) -> dict[str, int]:
        """Let the places of artifacts begin in another way; returns how many rows of each column do."""
        request = {"lock_timeout": lock_timeout, "wait_timeout": wait_timeout, "only_check": only_check}
        return t.cast("dict[str, int]", self._ask("relocate", locations=locations, **request))

    def rehearse(self, lock_timeout: int, wait_timeout: int, database: str | None = None, folder: str | None = None) -> t.Any:
        """Upgrade a copy of the database and drop it; returns how many seconds copying and upgrading took.

        With database, an empty one, the copy goes there by way of a backup in a folder. Else it is a new one, for which nobody may use the original.
        """
        copy = database or f"{self.uri.database[:40] if self.uri.kind == 'postgresql' else self.uri.database}_rehearsal_{secrets.token_hex(4)}"
        where = {"copy": copy, "rehearsal_database": database}
        try:
            done = self._ask("rehearse", rehearsal_dir=folder, lock_timeout=lock_timeout, wait_timeout=wait_timeout, **where)
            if done.pop("after") != [self.migrations.head]:
                raise MlflowDbError("It did not end at the newest revision")
            return done
        except MlflowDbError as exc:
            # One that was killed could not tidy up.
            self.timeout, self.deadline = None, time.monotonic() + 30
            left = ""
            try:
                self._ask("drop", **where)
            except MlflowDbError as problem:
                left = f". The copy {copy} may be left: {problem}"
            raise MlflowDbError(f"The rehearsal failed, the database itself has not been touched: {exc}{left}") from exc

    def _ask(self, action: str, **request: t.Any) -> t.Any:
        request.update(action=action, uri=self.uri.text, component=self.component)
        request["programs"] = source_of(PROGRAMS)
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            del os.environ[name]
        # 0 means no limit to timeout(1), so that a limit which is used up must stay above it.
        limit = max(self.deadline - time.monotonic(), 0.1) if self.deadline else 0
        # The request, with the URI in it, goes by standard input: arguments are for all to see.
        status, output, errors = self.run_command(
            ["timeout", "--signal=KILL", f"{limit:.1f}", self.python, "-I", "-c", BOOTSTRAP],
            data=json.dumps(request),
            environ_update={"MLFLOW_DISABLE_TELEMETRY": "true"},
            cwd="/",
        )
        if self.deadline and time.monotonic() > self.deadline - 0.2 and status in KILLED:
            raise MlflowDbError(f"The database {self.uri.place} did not finish within {f'timeout={self.timeout}' if self.timeout else '30'} s and was stopped")
        try:
            answer = json.loads(output)
        except ValueError:
            tail = self.uri.scrub(errors).strip()[-2000:]
            how = f"was killed by signal {-status if status < 0 else status - 128}" if status < 0 or status > 128 else f"ended with exit status {status}"
            raise MlflowDbError(f"The Python of MLflow {how}{': ' + tail if tail else ''}") from None
        if "error" in answer:
            raise MlflowDbError(self.explain(answer["error"]), began=answer["error"]["began"])
        return answer["result"]

    def explain(self, error: dict[str, t.Any]) -> str:
        """An error of the agent, in one sentence that says what to do."""
        text = " ".join(self.uri.scrub(error["text"]).split())
        kind, cause = error["kind"], error["cause"]
        login = self.uri.user or "the default user"
        if kind == "Busy":
            return f"The database {self.uri.place} is in use: {text}"
        if kind == "BackupError":
            return f"No backup of {self.uri.place} could be made: {text}"
        if kind == "RestoreError":
            state = "may be half done, run it again" if self.uri.kind == "mysql" and error["began"] else "is as it was"
            return f"No restore of {self.uri.place}, which {state}: {text}"
        if kind == "PlacesError":
            return f"The places of artifacts in {self.uri.place} stay as they are: {text}"
        if kind == "SqliteError":
            return f"Nothing was imported: {text}"
        if kind == "NoSchema":
            return f"The database {self.uri.place} has no place for MLflow's tables: {text}. Create the schema, or correct its name"
        if kind == "NoRehearsal":
            return f"No rehearsal for {self.uri.place}: {text}. Or use rehearsal: none"
        if cause in ("ImportError", "ModuleNotFoundError", "NoSuchModuleError"):
            return f"The Python {self.python} lacks a package that this needs (for the database: {DRIVERS[self.uri.scheme] or 'none'}): {text}"
        if error["sessions"] is not None:
            nobody = f"no session that {login} may see, the right PROCESS shows all" if self.uri.kind == "mysql" else "nothing any more"
            return f"The upgrade of {self.uri.place} waited too long for a lock. What stood in its way: {'; '.join(error['sessions']) or nobody}"
        if self.uri.kind == "mysql" and not (self.uri.password or "").isascii() and (REFUSED.search(text) or cause == "UnicodeEncodeError"):
            return f"PyMySQL sends passwords as Latin-1, also those of MLflow itself: give {login} of {self.uri.place} a password of ASCII characters ({text})"
        if REFUSED.search(text):
            return f"The database {self.uri.place} refuses the login of {login}: check user, password and pg_hba ({text})"
        if LOST.search(text):
            return f"The connection to {self.uri.place} was lost ({text})"
        if kind == "NoRight" or NO_RIGHT.search(text):
            return f"{login} has no right to change the schema of {self.uri.place}: log in as the owner of its tables ({text})"
        if MISSING.search(text):
            return f"The database {self.uri.place} or its user {self.uri.user} does not exist: create them first ({text})"
        if TLS.search(text):
            return f"No trusted TLS connection to {self.uri.place}: check the CA file, the host name and the TLS mode ({text})"
        if OTHER_SCHEMA.search(text):
            return (
                f"The schema of {self.uri.place} is not the one of its revision, as after an upgrade that was broken off or a change by hand. "
                f"Restore a backup, or repair it ({cause}: {text})"
            )
        if cause in ("OperationalError", "ConnectionTimeout") and self.uri.kind != "sqlite" and not MYSQL_REFUSAL.match(text):
            return f"The database {self.uri.place} cannot be reached: check host, port, firewall and that it listens there ({text})"
        return f"The database {self.uri.place} answered with an error: {cause}: {text}"


def revision_diff(info: dict[str, t.Any], upgraded: bool) -> dict[str, t.Any]:
    """What a user wants to see in a diff: where the schema is, and what is missing."""

    def describe(revision: str | None, pending: list[dict[str, str]]) -> str:
        lines = [f"revision: {revision or 'none'}"] + [f"pending: {entry['revision']} {entry['title']}" for entry in pending]
        return "".join(f"{line}\n" for line in lines)

    before = describe(info["current_revision"], info["pending"])
    return {"before": before, "after": describe(info["head_revision"], []) if upgraded else before}


CONNECTION = {
    "driver": {"type": "str", "choices": list(DRIVERS), "default": "postgresql+psycopg2"},
    "login_host": {"type": "str"},
    "login_port": {"type": "int"},
    "login_unix_socket": {"type": "path"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str"},
    "ssl_mode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path", "no_log": False},
}


# What a module is told about the keys of a server.
KEYS = {
    "crypto_passphrase": {"type": "str", "no_log": True},
    "crypto_version": {"type": "int"},
    "webhook_secret_key": {"type": "str", "no_log": True},
    "environment_file": {"type": "path"},
    "former_crypto_passphrase": {"type": "str", "no_log": True},
    "former_webhook_secret_key": {"type": "str", "no_log": True},
}


def server_keys(options: dict[str, t.Any]) -> dict[str, str] | None:
    """The keys that a server would have, by the names of their variables; None when nobody asks."""
    given = {KEK_PASSPHRASE: options["crypto_passphrase"], KEK_VERSION: options["crypto_version"], WEBHOOK_KEY: options["webhook_secret_key"]}
    # As systemd and MLflow read them: what is empty is not set.
    keys = {name: str(value) for name, value in given.items() if value}
    if options["environment_file"]:
        return {**read_environment_file(options["environment_file"]), **keys}
    return keys or None


def former_keys(options: dict[str, t.Any]) -> dict[str, str]:
    """The keys that it had before, of the same version."""
    given = {KEK_PASSPHRASE: options["former_crypto_passphrase"], WEBHOOK_KEY: options["former_webhook_secret_key"]}
    version = (server_keys(options) or {}).get(KEK_VERSION)
    return {name: str(value) for name, value in {**given, KEK_VERSION: version}.items() if value}


# Of modules that change a database, as the fragment _mlflow_limits says.
LIMITS: dict[str, t.Any] = {"lock_timeout": {"type": "int", "default": 30}, "wait_timeout": {"type": "int", "default": 300}}


def module_arguments(**options: t.Any) -> dict[str, t.Any]:
    """The arguments of AnsibleModule that all modules about a database share."""
    return {
        "argument_spec": {
            "backend_store_uri": {"type": "str", "no_log": True},
            **CONNECTION,
            "component": {"type": "str", "choices": ["tracking", "auth", "oidc"], "default": "tracking"},
            "virtualenv": {"type": "path"},
            "python": {"type": "path"},
            **options,
        },
        "mutually_exclusive": [("virtualenv", "python")] + [("backend_store_uri", name) for name in CONNECTION if name != "driver"],
        "required_one_of": [("backend_store_uri", "login_db"), ("virtualenv", "python")],
        "required_together": [("ssl_cert", "ssl_key")],
        "supports_check_mode": True,
    }
