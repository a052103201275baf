# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import typing as t

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Rule(t.TypedDict):
    """Who may reach a port; the port may be text, as variables of the command line are."""

    port: int | str
    sources: list[str]


def source_problem(source: str) -> str:
    """What is wrong with an address or network; nothing when it is right."""
    try:
        ipaddress.ip_network(source)
    except ValueError:
        pass
    else:
        return f"{source} holds a zone. Write the address without it." if "%" in source else ""
    try:
        whole = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return f"'{source}' is neither an IP address nor a network. Names cannot be looked up when the machine boots: write addresses."
    return f"{source} has bits behind its mask. Write {source.partition('/')[0]} or {whole}."


def rule_problems(rules: list[Rule]) -> list[str]:
    """What is wrong with rules, in words for their author."""
    ports = [str(rule["port"]) for rule in rules]
    wrong = [port for port in ports if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)]
    return [f"The port {port} is not from 1 to 65535." for port in wrong] + [
        problem for rule in rules for source in rule["sources"] if (problem := source_problem(str(source)))
    ]


def _sources(rules: list[Rule], port: int, version: int) -> list[str]:
    networks = [ipaddress.ip_network(source) for rule in rules if int(rule["port"]) == port for source in rule["sources"]]
    # nft takes no set in which one network holds another.
    merged = ipaddress.collapse_addresses(t.cast("list[t.Any]", [network for network in networks if network.version == version]))
    return [str(network.network_address) if network.num_addresses == 1 else str(network) for network in merged]


def table_text(rules: list[Rule], name: str) -> str:
    """The commands for nft that replace one table and leave all others alone."""
    lines = []
    for port in sorted({int(rule["port"]) for rule in rules}):
        for version, field in ((4, "ip saddr"), (6, "ip6 saddr")):
            if sources := _sources(rules, port, version):
                lines.append(f"tcp dport {port} {field} {{ {', '.join(sources)} }} accept")
        lines.append(f"tcp dport {port} counter drop")
    body = "\n".join(f"    {line}" for line in ['iifname "lo" accept', *lines])
    # Made first, so that it can be deleted where there is none yet. nft does all of it at once, or nothing.
    return f"""\
table inet {name}
delete table inet {name}
table inet {name} {{
  chain input {{
    type filter hook input priority filter - 10; policy accept;
{body}
  }}
}}
"""
