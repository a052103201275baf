# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""Moves a cluster to another major version with Debian's own tool, compares the two, and goes back.

`pg_upgradecluster` ends with success when rows or objects could not be restored: it looks at none of the errors of `psql` and `pg_restore`. So both
clusters are asked for all that they hold. The new one stays at another port until that is equal: whatever ends the process before, clients have not
met it, and it can be dropped.

The phases in the record beside the old cluster: `moving` (goes back), `moved` (goes on to its end), `kept`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow_db_content import DIGEST, SETTINGS
from ansible_collections.mlops.mlflow.plugins.module_utils._postgres_cluster import (
    RECORD,
    Cluster,
    ClusterError,
    Postmaster,
    find,
    holder,
    read,
    read_record,
    starts_at_boot,
)

MB = 1 << 20
# What the tool writes for the new cluster, or belongs to the old one alone.
ADAPTED = ("postgresql.conf", "start.conf", RECORD)
LOG_LINES = 8

# What is in the way of a move, and what to say of it.
LOOK = """
SELECT json_build_object(
  'databases', (SELECT json_object_agg(datname, pg_database_size(oid)) FROM pg_database WHERE NOT datistemplate),
  'closed', (SELECT coalesce(json_agg(datname), '[]') FROM pg_database WHERE NOT datallowconn AND datname <> 'template0'),
  'bytes', (SELECT sum(pg_database_size(oid)) FROM pg_database),
  'sessions', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
  'standby', pg_is_in_recovery(),
  'slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots),
  'standbys', (SELECT coalesce(json_agg(application_name), '[]') FROM pg_stat_replication),
  'subscriptions', (SELECT coalesce(json_agg(subname), '[]') FROM pg_subscription),
  'prepared', (SELECT coalesce(json_agg(gid), '[]') FROM pg_prepared_xacts))
"""

# Each row: kind, name and value, with tabs between. Only what both versions have in the same words.
GLOBALS = r"""
SELECT E'role\t' || rolname || E'\t' || md5(coalesce(rolpassword, ''))
  || ROW(rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil)::text
  FROM pg_authid WHERE rolname !~ '^pg_'
UNION ALL SELECT DISTINCT E'member\t' || pg_get_userbyid(member) || ' of ' || pg_get_userbyid(roleid) || E'\t'
  FROM pg_auth_members WHERE pg_get_userbyid(member) !~ '^pg_'
UNION ALL SELECT E'settings\t' || concat_ws(' in ', NULLIF(setrole, 0)::regrole, datname) || E'\t' || md5(setconfig::text)
  FROM pg_db_role_setting LEFT JOIN pg_database ON pg_database.oid = setdatabase
UNION ALL SELECT E'database\t' || datname || E'\t' || concat_ws(' ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
    datallowconn, datconnlimit,
    (SELECT string_agg(concat_ws(' ', grantee::regrole, privilege_type, is_grantable), ',' ORDER BY grantee::regrole::text, privilege_type)
     FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))))
  FROM pg_database WHERE NOT datistemplate
UNION ALL SELECT E'tablespace\t' || spcname || E'\t' || pg_tablespace_location(oid) FROM pg_tablespace
"""
OF_USERS = "(SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"
OF_EXTENSIONS = "(SELECT classid, objid FROM pg_depend WHERE deptype = 'e')"
OBJECTS = rf"""
SELECT E'extension\t' || extname || E'\t' FROM pg_extension
UNION ALL SELECT E'schema\t' || nspname || E'\t' || pg_get_userbyid(nspowner) FROM pg_namespace
  WHERE oid IN {OF_USERS} AND nspname <> 'public'
UNION ALL SELECT E'relation\t' || oid::regclass || E'\t' || concat_ws(' ', relkind, pg_get_userbyid(relowner),
    (SELECT string_agg(concat_ws(' ', grantee::regrole, privilege_type), ',' ORDER BY grantee::regrole::text, privilege_type)
     FROM aclexplode(relacl) WHERE grantee <> relowner AND privilege_type <> 'MAINTAIN'))
  FROM pg_class WHERE relnamespace IN {OF_USERS} AND ('pg_class'::regclass, oid) NOT IN {OF_EXTENSIONS}
UNION ALL SELECT E'constraint\t' || conname || ' of ' || conrelid::regclass || E'\t' || contype::text FROM pg_constraint
  WHERE connamespace IN {OF_USERS} AND contype <> 'n' AND conrelid <> 0
UNION ALL SELECT E'trigger\t' || tgname || ' of ' || tgrelid::regclass || E'\t' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT E'function\t' || oid::regprocedure || E'\t' || md5(coalesce(prosrc, '')) FROM pg_proc
  WHERE pronamespace IN {OF_USERS} AND ('pg_proc'::regclass, oid) NOT IN {OF_EXTENSIONS}
UNION ALL SELECT E'type\t' || oid::regtype || E'\t' || typtype::text FROM pg_type
  WHERE typnamespace IN {OF_USERS} AND typtype IN ('d', 'e', 'r')
UNION ALL SELECT E'policy\t' || polname || ' of ' || polrelid::regclass || E'\t' || polcmd::text FROM pg_policy;
"""
# The rows of all tables, and where each sequence stands.
ROWS = rf"""
SELECT format('SELECT E''rows\t%s\t'' || count(*) || '' rows, '' || %s FROM ONLY %s a_row',
    replace(replace(oid::regclass::text, '\', '\\'), '''', ''''''), $digest${DIGEST}$digest$, oid::regclass)
  FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace IN {OF_USERS} \gexec
SELECT format('SELECT E''sequence\t%s\t'' || last_value || is_called FROM %s', replace(replace(oid::regclass::text, '\', '\\'), '''', ''''''), oid::regclass)
  FROM pg_class WHERE relkind = 'S' AND relnamespace IN {OF_USERS} \gexec
SELECT E'large objects\t\t' || count(*) || ' pages, ' || {DIGEST} FROM pg_largeobject a_row;
"""
SAME_TEXT = "".join(f"SET {name} = '{value}';\n" for name, value in SETTINGS.items())
OPEN_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"

Content = dict[str, dict[tuple[str, str], str]]


class UpgradeError(Exception):
    """A move that cannot be, or was undone."""


def content(cluster: Cluster, server: Postmaster | None = None) -> Content:
    """What a cluster holds: for each database, and for all of them, a value for each thing."""
    found = {"": parsed(cluster.ask(GLOBALS, server=server))}
    for database in cluster.ask(OPEN_DATABASES, server=server):
        found[database] = parsed(cluster.ask(SAME_TEXT + OBJECTS + ROWS, database, server))
    return found


def parsed(rows: list[str]) -> dict[tuple[str, str], str]:
    found = {}
    for row in rows:
        kind, _tab, rest = row.partition("\t")
        name, _tab, value = rest.rpartition("\t")
        found[kind, name] = value
    return found


def differences(before: Content, after: Content) -> list[str]:
    """What is not the same, in words that hold no content."""
    found = []
    for database in sorted({*before, *after}):
        old, new = before.get(database, {}), after.get(database, {})
        where = f" in {database}" if database else ""
        for thing in sorted({*old, *new}):
            if old.get(thing) != new.get(thing):
                kind, name = thing
                counts = f" ({old.get(thing, '').split(',')[0] or 'none'} before, {new.get(thing, '').split(',')[0] or 'none'} after)"
                found.append(f"{kind} {name}{where}{counts if kind == 'rows' else '' if thing in new else ' (missing)'}")
    return found


def fingerprint(found: Content) -> str:
    flat = [(database, *thing, value) for database, things in found.items() for thing, value in things.items()]
    return hashlib.sha256(json.dumps(sorted(flat)).encode()).hexdigest()


def problems(plan: dict[str, t.Any]) -> list[str]:
    """What LOOK found in the way."""
    said = []
    if plan["standby"]:
        said.append("It is a standby. Upgrade the primary, and make the standby anew from it.")
    if plan["slots"] or plan["standbys"]:
        said.append(f"Others replicate from it ({', '.join(plan['slots'] + plan['standbys'])}), and could not go on with the new one. Remove these first.")
    if plan["subscriptions"]:
        said.append(f"It subscribes to others ({', '.join(plan['subscriptions'])}), which the tool does not move in a working state. Drop that first.")
    if plan["prepared"]:
        said.append(f"There are prepared transactions ({', '.join(plan['prepared'])}). Commit them or roll them back.")
    return said


class Upgrade:
    """From one major version to another, of one cluster."""

    def __init__(self, run_command: t.Callable[..., tuple[int, str, str]], name: str, from_version: str, to_version: str, spare_mb: int) -> None:
        self.name = name
        self.spare_mb = spare_mb
        self.old = Cluster(run_command, from_version or self.source(name, to_version), name)
        self.new = Cluster(run_command, to_version, name)
        self.unit = f"mlops-postgres-upgrade-{name}.service"
        self.log = f"/var/log/postgresql/mlops-upgrade-{self.old.version}-{to_version}-{name}.log"

    @staticmethod
    def source(name: str, to_version: str) -> str:
        """The version that has the data; empty where it is the new one."""
        return holder(to_version, find(name), is_own=False)

    @property
    def record(self) -> dict[str, t.Any]:
        return read_record(self.old.version, self.name)

    @property
    def is_done(self) -> bool:
        return self.new.exists and (not self.old.version or self.record.get("phase") == "kept")

    def check(self) -> dict[str, t.Any]:
        """What would be moved. Raises UpgradeError for what cannot be."""
        if not self.old.exists:
            there = ", ".join(find(self.name)) or "none"
            raise UpgradeError(f"There is no cluster {self.name} of PostgreSQL {self.old.version or 'any version'}. With that name there are: {there}.")
        if int(self.old.version) >= int(self.new.version):
            raise UpgradeError(f"{self.old} is not older than the version {self.new.version} that is asked for. PostgreSQL does not go down.")
        record = self.record
        if record.get("to", self.new.version) != self.new.version:
            raise UpgradeError(f"A move of {self.old} to {record['to']} is not over. Ask for that version, or go back from it, before another one.")
        if record and record["phase"] != "moving" and not self.new.exists:
            raise UpgradeError(f"{self.new}, to which {self.old} was moved, is gone. Go back to {self.old} (state=back), and upgrade again then.")
        if record:
            return {"resumed": True}
        said = []
        if self.new.exists or os.path.exists(f"/var/lib/postgresql/{self.new.version}/{self.name}"):
            said.append(f"There is a cluster {self.new}, or what is left of one in /var/lib/postgresql. See what it holds, and drop it or move it away.")
        try:
            plan = json.loads(self.old.ask(LOOK)[0])
        except ClusterError as exc:
            raise UpgradeError(f"{self.old} must run and let the system user postgres in: {exc}") from None
        plan["resumed"] = False
        plan["port"] = self.old.running.port
        plan["free_mb"] = shutil.disk_usage("/var/lib/postgresql").free // MB
        plan["needed_mb"] = plan.pop("bytes") // MB + self.spare_mb
        said += problems(plan)
        if plan["free_mb"] < plan["needed_mb"]:
            said.append(f"The copy and what it needs beside it take {plan['needed_mb']} MB, and /var/lib/postgresql has {plan['free_mb']} MB free.")
        said += self.missing_packages()
        if said:
            raise UpgradeError(" ".join([f"{self.old} cannot be moved to {self.new}.", *said]))
        return plan

    def missing_packages(self) -> list[str]:
        """What the tool itself says of extensions, where it can and the new version is there."""
        if not os.path.exists(f"/usr/lib/postgresql/{self.new.version}/bin/postgres"):
            return []
        said = self.new.run("pg_upgradecluster", "--check", "-v", self.new.version, self.old.version, self.name, fails=False)
        return [f"{line}." for line in said.splitlines() if line.endswith("is missing")]

    def upgrade(self) -> dict[str, t.Any]:
        """Returns what `check` said at its begin."""
        begun = plan = self.check()
        if self.record.get("phase") == "moving":
            self.undo()
            plan = self.check()
        record = self.record
        if not record:
            # The port is the new one's until both are known to be equal.
            start_conf = read(f"{self.old.folder}/start.conf") or "auto\n"
            record = {"phase": "moving", "to": self.new.version, "port": plan["port"], "closed": plan["closed"], "start_conf": start_conf}
            self.old.remember(record)
            try:
                self.move()
                record["fingerprint"] = self.compare()
                record["spare_port"] = self.new.running.port
            except (ClusterError, OSError, ValueError) as exc:
                self.undo()
                raise UpgradeError(f"{exc} {self.old} serves again on port {plan['port']}, as before. {self.evidence()}") from None
            self.old.remember({**record, "phase": "moved"})
        self.finish(record)
        return begun

    def move(self) -> None:
        """In a unit of its own: the end of that ends all that it has started."""
        about = ["--quiet", "--collect", f"--unit={self.unit}", "--property=Type=oneshot", f"--property=StandardOutput=truncate:{self.log}"]
        tool = ["pg_upgradecluster", "--method=dump", "--keep-port", "-v", self.new.version, self.old.version, self.name]
        try:
            self.new.run("systemd-run", *about, *tool)
        except ClusterError:
            raise ClusterError(f"pg_upgradecluster failed: {' '.join(read(self.log).splitlines()[-LOG_LINES:])}") from None

    def evidence(self) -> str:
        return f"What the tool said is in {self.log}." if os.path.exists(self.log) else ""

    def compare(self) -> str:
        """The old cluster has served nobody since the tool stopped it."""
        with self.old.alone() as server:
            before = content(self.old, server)
        after = content(self.new)
        unlike = differences(before, after)
        if unlike:
            more = f", and {len(unlike) - 5} more" if len(unlike) > 5 else ""
            raise ClusterError(f"The new cluster does not hold the same: {'; '.join(unlike[:5])}{more}.")
        return fingerprint(after)

    def finish(self, record: dict[str, t.Any]) -> None:
        """The new one takes the place: what the tool leaves out comes along, which is the settings and the units of others, and of the role."""
        self.old.retire(record["spare_port"])
        self.new.stop()
        with os.scandir(self.old.folder) as entries:
            others = [entry.path for entry in entries if entry.name not in ADAPTED and not entry.is_symlink()]
        self.new.run("cp", "--archive", "--remove-destination", *others, self.new.folder)
        if os.path.isdir(self.old.drop_ins):
            shutil.copytree(self.old.drop_ins, self.new.drop_ins, dirs_exist_ok=True)
        self.new.run("pg_conftool", self.new.version, self.name, "set", "port", str(record["port"]))
        try:
            self.new.revive(record["start_conf"])
        except ClusterError as exc:
            self.back()
            raise UpgradeError(f"{self.new} holds all, and does not start with the settings of {self.old}: {exc} {self.old} serves again, as before.") from None
        self.old.remember({**record, "phase": "kept"})

    def undo(self) -> None:
        """Back from a move that did not come to its end: no client has met the new cluster."""
        self.old.run("systemctl", "stop", self.unit, fails=False)
        self.new.drop()
        self.old.stop()
        self.serve_again()

    def back(self) -> bool:
        """The old cluster serves again. The new one goes, unless something was written to it. Whether it went."""
        if not self.record:
            raise UpgradeError(f"{self.old} was not moved to {self.new} by this collection.")
        if self.record["phase"] == "moving":
            self.undo()
            return True
        unused = True
        if self.new.exists:
            self.new.stop()
            unused = self.holds_what_was_moved()
            if unused:
                self.new.drop()
            else:
                self.new.retire(self.record["spare_port"])
        self.serve_again()
        return unused

    def holds_what_was_moved(self) -> bool:
        try:
            with self.new.alone() as server:
                return fingerprint(content(self.new, server)) == self.record["fingerprint"]
        except ClusterError:
            return False

    def serve_again(self) -> None:
        record = self.record
        self.old.revive(record["start_conf"])
        # The tool opens them for itself.
        for name in record["closed"]:
            self.old.ask('ALTER DATABASE "{}" ALLOW_CONNECTIONS false'.format(name.replace('"', '""')))
        os.unlink(f"{self.old.folder}/{RECORD}")


def check_dropped(cluster: Cluster) -> None:
    """Only what was left at a move, and serves nobody."""
    if cluster.server is not None or starts_at_boot(cluster.version, cluster.name):
        raise UpgradeError(f"{cluster} is in use: it runs, or is started by itself. Only a cluster that was left at a move is dropped.")
