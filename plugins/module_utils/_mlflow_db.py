# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""The database of an MLflow server: where its schema is, where it could be, and how to get there."""

from __future__ import annotations

import glob
import json
import os
import re
from urllib.parse import parse_qsl, quote, unquote

from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_db_agent

DRIVERS = {
    "postgresql+psycopg2": "psycopg2-binary",
    "postgresql+psycopg": "psycopg[binary]",
    "mysql+pymysql": "PyMySQL",
    "mssql+pymssql": "pymssql",
    "sqlite": None,
}
SUGGESTED = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mssql": "mssql+pymssql"}

# As SQLAlchemy reads it: a password ends at the first "@".
URI = re.compile(
    r"(?P<scheme>[\w+]+)://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]\s]*)(?::(?P<port>\d+))?"
    r"/(?P<database>[^?]+)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
MIGRATIONS = {"tracking": "mlflow/store/db_migrations/versions", "auth": "mlflow/server/auth/db/migrations/versions"}
# What timeout(1) exits with when it had to kill.
KILLED = 128 + 9
BOOTSTRAP = "import json, sys; request = json.load(sys.stdin); exec(request.pop('program')); run(request)"

REFUSED = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "Access denied",
    "Login failed",
    "authentication method",
)
MISSING = re.compile(r'(?:role|database) "[^"]*" does not exist|Unknown database')
TLS = re.compile(r"\bSSL\b|certificate|\bTLS\b")


class MlflowDbError(Exception):
    """What is wrong and what to do about it, in one sentence and without a secret."""


class Uri:
    """A backend store URI whose text never leaves this object but to the process that connects."""

    def __init__(self, text):
        self.text = text
        self.secrets = self._find_secrets(text)
        match = URI.fullmatch(text)
        scheme = re.match(r"([\w+]+):", text)
        if scheme and scheme[1] in SUGGESTED:
            raise MlflowDbError(f"The database URI begins with {scheme[1]}://, which leaves the driver open: write {SUGGESTED[scheme[1]]}:// instead")
        if scheme and scheme[1] not in DRIVERS:
            raise MlflowDbError(f"The database URI begins with {scheme[1]}://, which is not one of {', '.join(f'{name}://' for name in DRIVERS)}")
        if not match:
            raise MlflowDbError(
                "The database URI cannot be parsed: it must be <dialect>+<driver>://<user>:<password>@<host>:<port>/<database>, "
                "with every special character in user and password percent-encoded"
            )
        self.scheme = match["scheme"]
        self.host = match["host"]
        self.database = match["database"]
        self.user = unquote(match["user"] or "")
        self.port = match["port"]
        if self.scheme == "sqlite" and not self.database.startswith("/"):
            raise MlflowDbError("The SQLite file must be an absolute path, with four slashes: sqlite:////var/lib/mlflow/mlflow.db")

    @staticmethod
    def _find_secrets(text):
        found = {text}
        match = re.match(r"[^/]*://([^:/]*):(.*)@", text, re.DOTALL)
        if match:
            plain = unquote(match[2])
            found |= {match[2], plain, quote(plain), quote(plain, safe=""), f"{match[1]}:{match[2]}"}
        found |= {value for key, value in parse_qsl(text.partition("?")[2]) if re.search("pass|secret|token|key", key, re.IGNORECASE)}
        return sorted((secret for secret in found if secret), key=len, reverse=True)

    def scrub(self, message):
        for secret in self.secrets:
            message = message.replace(secret, "********")
        return message

    @property
    def place(self):
        """The database, as one may write it into a log."""
        if self.scheme == "sqlite":
            return self.database
        host = self.host or "the default host"
        return f"{self.database} on {host}{':' + self.port if self.port else ''}"


class Migrations:
    """The revision graph of one MLflow installation, read from its files: importing MLflow takes seconds."""

    def __init__(self, virtualenv, component):
        self.python = os.path.join(virtualenv, "bin", "python")
        if not os.path.exists(self.python):
            raise MlflowDbError(f"There is no virtual environment in {virtualenv}")
        files = glob.glob(os.path.join(glob.escape(virtualenv), "lib", "python3*", "site-packages", MIGRATIONS[component], "*.py"))
        self.parents = {}
        self.titles = {}
        for name in files:
            with open(name, encoding="utf-8") as stream:
                text = stream.read()
            revision = re.search(r"""^revision\s*(?::[^=]+)?=\s*["'](\w+)["']""", text, re.MULTILINE)
            if revision:
                self.parents[revision[1]] = self._parents(text)
                title = re.match(r'\s*(?:"""|\'\'\')\s*(.+)', text)
                self.titles[revision[1]] = title[1].strip() if title else ""
        heads = set(self.parents) - {parent for parents in self.parents.values() for parent in parents}
        if not heads:
            raise MlflowDbError(f"There is no MLflow in {virtualenv}, or it has no database migrations for {component}")
        if len(heads) > 1:
            raise MlflowDbError(f"The MLflow in {virtualenv} has more than one newest revision: {', '.join(sorted(heads))}")
        self.head = heads.pop()

    @staticmethod
    def _parents(text):
        down = re.search(r"^down_revision\s*(?::[^=]+)?=\s*([^\n#]*)", text, re.MULTILINE)
        return re.findall(r"""["'](\w+)["']""", down[1]) if down else []

    def pending(self, revision):
        """What lies between a revision (None: nothing yet) and the head, in the order in which it would run."""
        done = set()
        queue = [revision] if revision else []
        while queue:
            known = queue.pop()
            if known not in done:
                done.add(known)
                queue += self.parents[known]
        order = []

        def visit(name):
            if name in done:
                return
            done.add(name)
            for parent in self.parents[name]:
                visit(parent)
            order.append({"revision": name, "title": self.titles[name]})

        visit(self.head)
        return order


def state_of(found, migrations):
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
    """One MLflow database, seen with the MLflow of one virtual environment."""

    def __init__(self, run_command, backend_store_uri, virtualenv, component="tracking", timeout=None):
        """run_command is AnsibleModule's; timeout is in seconds, 0 or None is no limit."""
        self.run_command = run_command
        self.uri = Uri(backend_store_uri)
        self.component = component
        self.migrations = Migrations(virtualenv, component)
        self.timeout = timeout

    def info(self):
        found = self._ask("inspect")
        state, revision = state_of(found, self.migrations)
        return {
            "state": state,
            "current_revision": revision,
            "head_revision": self.migrations.head,
            "pending": self.migrations.pending(revision) if state in ("empty", "behind") else [],
            **{key: found[key] for key in ("dialect", "server_version", "max_connections")},
        }

    def refuse_unknown(self, info):
        """Nothing may be done to a database that this MLflow does not understand."""
        if info["state"] == "ahead":
            raise MlflowDbError(
                f"The database {self.uri.place} is newer than this MLflow: its revision {info['current_revision']} is unknown, the newest known one is "
                f"{info['head_revision']}. Use the MLflow version that upgraded it, or restore a backup from before that upgrade"
            )
        if info["state"] == "foreign":
            what = f"revision {info['current_revision']}" if info["current_revision"] else "tables without a revision"
            raise MlflowDbError(
                f"The database {self.uri.place} holds {what} and is not an MLflow {self.component} database. Use an empty database, one for each component"
            )

    def upgrade(self, lock_timeout, wait_timeout):
        """Bring the schema to head; returns whether its revision moved."""
        done = self._ask("upgrade", head=self.migrations.head, lock_timeout=lock_timeout, wait_timeout=wait_timeout)
        if done["after"] != [self.migrations.head]:
            after = ", ".join(done["after"]) or "none"
            raise MlflowDbError(f"The upgrade of {self.uri.place} ended at revision {after} instead of {self.migrations.head}")
        return done["before"] != done["after"]

    def _ask(self, action, **request):
        request.update(action=action, uri=self.uri.text, component=self.component, program=self._program())
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            del os.environ[name]
        # The request, with the URI in it, goes by standard input: arguments are for all to see.
        status, output, errors = self.run_command(
            ["timeout", "--signal=KILL", str(self.timeout or 0), self.migrations.python, "-I", "-c", BOOTSTRAP],
            data=json.dumps(request),
            environ_update={"MLFLOW_DISABLE_TELEMETRY": "true"},
            cwd="/",
        )
        if status == KILLED:
            raise MlflowDbError(f"The database {self.uri.place} did not finish within {self.timeout} s. PostgreSQL and SQLite have undone what was begun")
        try:
            answer = json.loads(output)
        except ValueError:
            tail = self.uri.scrub(errors).strip()[-2000:]
            raise MlflowDbError(f"The MLflow Python ended with exit status {status}: {tail}") from None
        if "error" in answer:
            raise MlflowDbError(self._explain(answer["error"]))
        return answer["result"]

    @staticmethod
    def _program():
        return _mlflow_db_agent.__spec__.loader.get_source(_mlflow_db_agent.__name__)

    def _explain(self, error):
        text = " ".join(self.uri.scrub(error["text"]).split())
        if error["kind"] == "Busy":
            return f"Nothing was done to {self.uri.place}: {text}"
        if error["cause"] in ("ImportError", "ModuleNotFoundError", "NoSuchModuleError"):
            return f"The virtual environment lacks a package that this needs (for the database: {DRIVERS[self.uri.scheme] or 'none'}): {text}"
        if error["cause"] == "LockNotAvailable":
            who = "; ".join(
                f"process {session['pid']} of user {session['user']}"
                + (f" ({session['application'] or 'no name'}, {session['state']} since {session['transaction_start']})" if session["state"] else "")
                for session in error["sessions"]
            )
            return f"The upgrade of {self.uri.place} waited too long for a lock and was undone. Sessions that hold locks: {who or 'none any more'}"
        if any(words in text for words in REFUSED):
            return f"The database {self.uri.place} refuses the login of {self.uri.user or 'the default user'}: check user, password and pg_hba ({text})"
        if MISSING.search(text):
            return f"The database {self.uri.place} or its user {self.uri.user} does not exist: create them first ({text})"
        if TLS.search(text):
            return f"No trusted TLS connection to {self.uri.place}: check the CA file, the host name and sslmode in the URI ({text})"
        if error["cause"] in ("OperationalError", "ConnectionTimeout") and self.uri.scheme != "sqlite":
            return f"The database {self.uri.place} cannot be reached: check host, port, firewall and that it listens there ({text})"
        return f"The database {self.uri.place} answered with an error: {error['cause']}: {text}"


def revision_diff(info, upgraded):
    """What a user wants to see in a diff: where the schema is, and what is missing."""

    def describe(revision, pending):
        lines = [f"revision: {revision or 'none'}"] + [f"pending: {entry['revision']} {entry['title']}" for entry in pending]
        return "".join(f"{line}\n" for line in lines)

    before = describe(info["current_revision"], info["pending"])
    return {"before": before, "after": describe(info["head_revision"], []) if upgraded else before}


def argument_spec():
    return {
        "backend_store_uri": {"type": "str", "required": True, "no_log": True},
        "component": {"type": "str", "choices": ["tracking", "auth"], "default": "tracking"},
        "virtualenv": {"type": "path", "required": True},
    }
