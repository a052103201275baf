"""Empty the database whose URI comes by standard input, as its owner can."""

from __future__ import annotations

import os
import sys

import sqlalchemy

url = sqlalchemy.engine.make_url(sys.stdin.read().strip("\n"))
if url.drivername == "sqlite":
    for suffix in ("", "-journal", "-wal", "-shm"):
        if os.path.exists(url.database + suffix):
            os.remove(url.database + suffix)
else:
    what = {"postgresql": "SCHEMA public", "mysql": f"DATABASE {url.database}"}[url.get_backend_name()]
    with sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"DROP {what}{' CASCADE' if 'SCHEMA' in what else ''}")
        connection.exec_driver_sql(f"CREATE {what}")
