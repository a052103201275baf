# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

"""What a PostgreSQL server reads, and who decides a setting that stands in several files."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t

# Around the role's lines in a `pg_hba.conf` that others made.
BLOCK_BEGIN = "# BEGIN mlops.mlflow.postgres: the first rule that fits counts, so these lines come before the others"
BLOCK_END = "# END mlops.mlflow.postgres"
BLOCK = re.compile(f"^{re.escape(BLOCK_BEGIN)}\n.*?^{re.escape(BLOCK_END)}\n", re.MULTILINE | re.DOTALL)
# The role's own `pg_hba.conf` has this line, and the cluster that it makes this setting.
OWN_HBA = re.compile("^# type database user address method$", re.MULTILINE)
OWN_CLUSTER = re.compile(r"^mlops\.made_by\b", re.MULTILINE)
INCLUDE_DIR = re.compile(r"^[ \t]*include_dir[ \t]*=?[ \t]*'([^'\n]+)'", re.MULTILINE)
# Where every cluster of Debian writes.
USUAL_FOLDERS = ("/run/postgresql", "/var/lib/postgresql", "/var/log/postgresql")
# What a file says of a value that waits for a restart: not an error.
WAITS = "setting could not be applied"

# Everything that the module asks, in one answer. A line without a file tells of a setting that was taken out and waits for a restart.
QUERY = """
SELECT json_build_object(
  'loaded', extract(epoch FROM pg_conf_load_time()),
  'started', extract(epoch FROM pg_postmaster_start_time()),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
  'file_settings', (
    SELECT coalesce(json_agg(json_build_object('file', sourcefile, 'line', sourceline, 'name', name, 'value', setting, 'error', error) ORDER BY seqno), '[]')
    FROM pg_file_settings WHERE sourcefile IS NOT NULL),
  'hba_errors', (SELECT coalesce(json_agg(line_number || ': ' || error ORDER BY line_number), '[]') FROM pg_hba_file_rules WHERE error IS NOT NULL),
  'settings', (SELECT json_object_agg(name, json_build_object('value', current_setting(name), 'source', source,
    'file', sourcefile, 'pending', pending_restart)) FROM pg_settings),
  'closed_databases', (
    SELECT coalesce(json_agg(json_build_object('name', datname, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
      'lc_collate', datcollate, 'lc_ctype', datctype)), '[]')
    FROM pg_database WHERE NOT EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) AS granted WHERE granted.grantee = 0)))
"""


class FileSetting(t.TypedDict):
    """A line of a configuration file, as `pg_file_settings` has it, in the order in which they are read."""

    file: str
    line: int
    name: str
    value: str
    error: str | None


def text_of(value: t.Any) -> str:
    """A setting as the role's file has it."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def include_line(main_text: str, folder: str) -> int | None:
    """The line of `postgresql.conf` that includes the folder; None where none does."""
    found = [match for match in INCLUDE_DIR.finditer(main_text) if os.path.basename(match[1].rstrip("/")) == folder]
    return main_text.count("\n", 0, found[-1].start()) + 1 if found else None


def later_lines(rows: list[FileSetting], settings_file: str, included_at: int) -> list[FileSetting]:
    """The lines that are read after the settings file, whether it is there or yet to be written."""
    folder = os.path.dirname(settings_file)
    main_file = os.path.join(os.path.dirname(folder), "postgresql.conf")

    def is_later(row: FileSetting) -> bool:
        if os.path.dirname(row["file"]) == folder:
            return row["file"] > settings_file
        return os.path.basename(row["file"]) == "postgresql.auto.conf" or (row["file"] == main_file and row["line"] > included_at)

    start = next((place for place, row in enumerate(rows) if is_later(row)), len(rows))
    return [row for row in rows[start:] if row["file"] != settings_file]


def last_of(rows: list[FileSetting]) -> dict[str, FileSetting]:
    """The line of each name that counts. Names are known in any case."""
    return {row["name"].lower(): row for row in rows if row["name"]}


def shadowed(wanted: dict[str, str], later: list[FileSetting]) -> dict[str, str]:
    """The wanted settings that a later line sets to something else, and where."""
    last = last_of(later)
    return {name: place_of(last[name.lower()]) for name, value in wanted.items() if name.lower() in last and last[name.lower()]["value"] != value}


def replaced(wanted: dict[str, str], rows: list[FileSetting], later: list[FileSetting], settings_file: str) -> dict[str, str]:
    """What other files say of the wanted settings, and what is no longer so with the settings file behind them."""
    last = last_of([row for row in rows if row["file"] != settings_file and row not in later])
    return {name: place_of(last[name.lower()]) for name, value in wanted.items() if name.lower() in last and last[name.lower()]["value"] != value}


def place_of(row: FileSetting) -> str:
    return f"{row['value']} in {row['file']}:{row['line']}"


def wrong_lines(rows: list[FileSetting]) -> list[str]:
    return [f"{row['file']}:{row['line']}: {row['error']}" for row in rows if row["error"] not in (None, WAITS)]


def unusual_folders(folders: list[str]) -> list[str]:
    """Those that are neither one of the usual folders nor below one."""
    usual = [os.path.realpath(folder) for folder in USUAL_FOLDERS]
    return sorted({folder for folder in folders if not any(os.path.commonpath([folder, top]) == top for top in usual)})


def others_rules(hba_text: str) -> str:
    """The client rules without the role's block."""
    return BLOCK.sub("", hba_text)


def made_by_role(main_text: str, hba_text: str) -> bool:
    """Whether the cluster has nobody's rules but the role's. One that was there before has its own."""
    if BLOCK_BEGIN in hba_text:
        return False
    return OWN_CLUSTER.search(main_text) is not None or OWN_HBA.search(hba_text) is not None


class Rule(t.TypedDict):
    """A client rule as the role takes it."""

    type: str
    database: str
    user: str
    address: str
    method: str
    options: str


def hba_lines(rules: list[Rule], databases: list[str], owners: list[str], users: list[str], own: bool) -> list[str]:
    """The client rules of the role.

    In its own cluster they are all there is. In one of others they speak of the role's databases and users alone, and end with a refusal: what the rules
    behind them let in, they let into other databases, and as other users than the owners.
    """
    asked = [line_of(rule, address) for rule in rules for address in rule["address"].split(",")]
    if own:
        return ["local all postgres peer", *from_here("all", "all"), *asked]
    here, names, who = (",".join(quoted(name) for name in part) for part in (databases, owners, users))
    lines = ["local all postgres peer", *(from_here(here, who) if here and who else []), *asked]
    lines += [f"local {here} all reject", f"host {here} all all reject"] if here else []
    lines += [f"local all {names} reject", f"host all {names} all reject"] if names else []
    return lines


def from_here(databases: str, users: str) -> list[str]:
    """Logins with a password from the machine itself."""
    ways = ("local {} {}", "host {} {} 127.0.0.1/32", "host {} {} ::1/128", "hostssl {} {} samehost")
    return [way.format(databases, users) + " scram-sha-256" for way in ways]


def line_of(rule: Rule, address: str) -> str:
    return " ".join(part for part in (rule["type"], rule["database"], rule["user"], with_mask(address), rule["method"], rule["options"]) if part)


def with_mask(address: str) -> str:
    """A single host as the network that holds it alone; PostgreSQL wants a mask with each address."""
    try:
        return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"
    except ValueError:
        return address


def quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def hba_text(header: str, lines: list[str], own: bool, others: str) -> str:
    """The file: the role's alone, or with its block in front of the rules of others."""
    if own:
        return "\n".join([header, "# type database user address method", *lines, ""])
    return "\n".join([BLOCK_BEGIN, *lines, BLOCK_END, others])
