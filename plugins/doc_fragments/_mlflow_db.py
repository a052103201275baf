# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backend_store_uri:
    description:
      - URI of the database, as MLflow takes it, with its driver named. Special characters in user and password are percent-encoded.
      - Known are V(postgresql+psycopg2://), V(postgresql+psycopg://), V(mysql+pymysql://), V(mssql+pymssql://) and V(sqlite:////absolute/path).
      - Instead of it O(login_db) and the options after it can be given.
      - The URI reaches the database driver over standard input. It is never in the arguments of a process, and its password is
        removed from every error text.
    type: str
  driver:
    description: What O(login_db) is and the Python package that talks to it. C(mysql) is MariaDB as well.
    type: str
    choices: [postgresql+psycopg2, postgresql+psycopg, mysql+pymysql, mssql+pymssql, sqlite]
    default: postgresql+psycopg2
  login_db:
    description: Name of the database, or the absolute path of a SQLite file.
    type: str
  login_host:
    description: Host of the database server. Without it the driver decides, as a rule for the local socket.
    type: str
  login_port:
    description: Port of the database server. Without it, the usual one.
    type: int
  login_unix_socket:
    description: Folder of the PostgreSQL server's socket, or the socket of a MySQL or MariaDB server.
    type: path
  login_user:
    description: User to log in as. The owner of the tables.
    type: str
  login_password:
    description:
      - Password of O(login_user), as it is. Any character will do.
      - With O(driver=mysql+pymysql) only ASCII works, because PyMySQL, and with it MLflow itself, sends passwords as Latin-1.
    type: str
  ssl_mode:
    description: How PostgreSQL's client uses TLS, see its C(sslmode). MySQL and MariaDB use TLS when O(ca_cert) is given.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
  ca_cert:
    description: PEM file with the certificate authorities that the server's certificate is checked with.
    type: path
  ssl_cert:
    description: PEM file with the client's certificate.
    type: path
  ssl_key:
    description: PEM file with the key of O(ssl_cert).
    type: path
  component:
    description:
      - Which schema the database holds. The model registry has the schema V(tracking).
      - MLflow itself cannot create its auth schema on MariaDB.
      - V(oidc) is that of the users of C(mlflow-oidc-auth), which has to be installed beside MLflow.
    type: str
    choices: [tracking, auth, oidc]
    default: tracking
  virtualenv:
    description:
      - Folder of the virtual environment with the MLflow whose schema is wanted, and with the database driver.
      - Either this or O(python) is needed.
    type: path
  python:
    description: Python that has the MLflow, where it is not in a virtual environment.
    type: path
requirements:
  - Python 3.9 or newer
  - MLflow 2.22 or newer and the database driver, in the Python of the options
notes:
  - A SQLite file that an upgrade creates belongs to the owner of its folder.
  - Connect to the server itself. A PgBouncer that pools transactions keeps neither locks nor settings of a session.
"""
