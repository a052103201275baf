# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Database URIs as MLflow takes them: read, written, and kept out of every text."""

from __future__ import annotations

import json
import re
import typing as t
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode

# What each needs from PyPI.
DRIVERS = {
    "postgresql+psycopg2": "psycopg2-binary",
    "postgresql+psycopg": "psycopg[binary]",
    "mysql+pymysql": "PyMySQL",
    "mssql+pymssql": "pymssql",
    "sqlite": None,
}
SUGGESTED = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mssql": "mssql+pymssql"}

HOST = r"\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]\s]*"
# As SQLAlchemy reads it: a password ends at the first "@".
URI = re.compile(
    r"(?P<scheme>[\w+]+)://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    rf"(?P<host>{HOST})(?::(?P<port>\d+))?"
    r"/(?P<database>[^?]+)(?:\?(?P<query>.*))?",
    re.DOTALL,
)

# Where Debian keeps the authorities that the machine trusts.
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
# How TLS is asked for, by the kind of the database.
TLS_QUERIES: dict[str, dict[str, dict[str, str]]] = {
    "postgresql": {mode: {"sslmode": mode} for mode in ("disable", "require", "verify-ca", "verify-full")},
    # With an option and no CA, PyMySQL encrypts and checks nothing.
    "mysql": {
        "disable": {"ssl_disabled": "true"},
        "require": {"ssl_check_hostname": "false"},
        "verify-ca": {"ssl_check_hostname": "false"},
        "verify-full": {},
    },
    "mssql": {"require": {"encryption": "require"}},
}
PARTS = ("driver", "host", "port", "name", "user", "password", "tls")

# What the options are called in the query of a URI, by the kind of the database.
QUERY_NAMES = {
    "postgresql": {"login_unix_socket": "host", "ssl_mode": "sslmode", "ca_cert": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey"},
    "mysql": {"login_unix_socket": "unix_socket", "ca_cert": "ssl_ca", "ssl_cert": "ssl_cert", "ssl_key": "ssl_key"},
}


class MlflowDbError(Exception):
    """What is wrong with an MLflow database and what to do about it, in one sentence and without a secret."""

    def __init__(self, message: str, began: bool = True) -> None:
        """began: whether a migration may have begun."""
        super().__init__(message)
        self.began = began


def build_uri(
    driver: str,
    login_db: str,
    login_host: str | None = None,
    login_port: int | None = None,
    login_user: str | None = None,
    login_password: str | None = None,
    **others: str | None,
) -> str:
    """The URI for the options of a module. others may have login_unix_socket, ssl_mode, ca_cert, ssl_cert, ssl_key."""
    kind = driver.partition("+")[0]
    given = {name: value for name, value in others.items() if value is not None}
    unknown = sorted(set(given) - set(QUERY_NAMES.get(kind, {})))
    if driver == "sqlite":
        unknown += [
            name
            for name, value in (("login_host", login_host), ("login_port", login_port), ("login_user", login_user), ("login_password", login_password))
            if value is not None
        ]
    if unknown:
        raise MlflowDbError(f"With driver={driver} these options mean nothing, leave them out: {', '.join(unknown)}")
    if login_password is not None and not login_user:
        raise MlflowDbError("login_password needs a login_user")
    if driver == "sqlite":
        _check_name(login_db)
        return f"sqlite:///{login_db}"
    return _join(driver, login_db, login_host, login_port, login_user, login_password, {QUERY_NAMES[kind][name]: value for name, value in given.items()})


def uri_from_parts(parts: t.Mapping[str, t.Any], ca_file: str = "") -> str:
    """The URI for a database in the words of an inventory, see PARTS. A host that is a path is the place of a socket. ca_file is a path on the client."""
    given = {key: str(value) for key, value in parts.items() if value not in (None, "")}
    driver = given.get("driver", "postgresql+psycopg2")
    kind = driver.partition("+")[0]
    host = given.get("host", "")
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise MlflowDbError(f"A database has no {', '.join(unknown)}, but {', '.join(PARTS)}")
    if driver not in DRIVERS or kind not in TLS_QUERIES:
        raise MlflowDbError(f"The driver {driver} is not one of {', '.join(name for name in DRIVERS if name != 'sqlite')}")
    if "name" not in given:
        raise MlflowDbError("The database needs a name")
    if "password" in given and "user" not in given:
        raise MlflowDbError("The password of the database needs a user")
    tls = given.get("tls", "verify-full" if ca_file else "")
    if tls and tls not in TLS_QUERIES[kind]:
        raise MlflowDbError(f"With {driver}, tls may be {' or '.join(TLS_QUERIES[kind])}, not {tls}")
    query = dict(TLS_QUERIES[kind][tls]) if tls else {}
    if tls.startswith("verify"):
        query[QUERY_NAMES[kind]["ca_cert"]] = ca_file or SYSTEM_CAS
    if host.startswith("/"):
        if "login_unix_socket" not in QUERY_NAMES.get(kind, {}):
            raise MlflowDbError(f"{driver} knows no sockets: the host must be a name or an address, not {host}")
        query[QUERY_NAMES[kind]["login_unix_socket"]] = host
        host = ""
    return _join(driver, given["name"], host, given.get("port"), given.get("user"), given.get("password"), query)


def _join(driver: str, name: str, host: str | None, port: int | str | None, user: str | None, password: str | None, query: t.Mapping[str, str]) -> str:
    _check_name(name)
    host = host or ""
    if re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", host):
        host = f"[{host}]"
    if not re.fullmatch(HOST, host):
        raise MlflowDbError("The host must be one name or address, without login and port")
    login = quote(user, safe="") if user else ""
    if password is not None:
        login += f":{quote(password, safe='')}"
    options = urlencode(query)
    return f"{driver}://{login + '@' if login else ''}{host}{':' + str(port) if port else ''}/{name}{'?' + options if options else ''}"


def _check_name(name: str) -> None:
    if "?" in name:
        raise MlflowDbError("The name of the database must not hold a question mark: MLflow could not tell it from the options of its URI")


class Uri:
    """A backend store URI whose text never leaves this object but to the process that connects."""

    def __init__(self, text: str) -> None:
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
        self.kind = self.scheme.partition("+")[0]
        self.host = match["host"]
        self.database = match["database"]
        self.user = unquote(match["user"] or "")
        self.password = None if match["password"] is None else unquote(match["password"])
        self.query = parse_qs(match["query"] or "")
        self.port = match["port"]
        if self.kind == "sqlite" and not self.database.startswith("/"):
            raise MlflowDbError("The SQLite file must be an absolute path, with four slashes: sqlite:////var/lib/mlflow/mlflow.db")

    @staticmethod
    def _find_secrets(text: str) -> list[str]:
        plain = {value for key, value in parse_qsl(text.partition("?")[2]) if re.search("pass|secret|token|key", key, re.IGNORECASE)}
        found = {text}
        # To the first "@", where a password ends, and to the last one, where it ends if somebody forgot to encode it.
        for match in filter(None, (re.match(rf"[^/]*://([^:/]*):(.*{shortest})@", text, re.DOTALL) for shortest in ("?", ""))):
            found |= {match[2], f"{match[1]}:{match[2]}"}
            plain.add(unquote(match[2]))
        for secret in plain:
            # In every form in which a library may quote it.
            found |= {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1], re.sub(r"([\\'])", r"\\\1", secret)}
        return sorted((secret for secret in found if secret), key=len, reverse=True)

    def scrub(self, message: str) -> str:
        for secret in self.secrets:
            message = message.replace(secret, "********")
        return message

    @property
    def place(self) -> str:
        """The database, as one may write it into a log."""
        if self.kind == "sqlite":
            return self.database
        host = self.host or "the default host"
        return f"{self.database} on {host}{':' + self.port if self.port else ''}"
