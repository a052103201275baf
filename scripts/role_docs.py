"""Writes the variable table of each role's README from its argument specification, and checks that the specification and the defaults agree.
Writes the locked versions of MLflow where READMEs name them.

Usage: scripts/role_docs.py [--check]      --check changes nothing and fails where something would change.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "roles/mlflow_server/files/locks"
VERSIONS = re.compile(r"(<!-- locked versions -->).*?(<!-- /locked versions -->)")
TABLE = re.compile(r"(<!-- variables -->\n).*?(<!-- /variables -->)", re.DOTALL)


def text(value: object) -> str:
    """One table cell from a description: lines joined, markup of Ansible as code."""
    joined = " ".join(value) if isinstance(value, list) else str(value or "")
    joined = re.sub(r"\b[VOCMRE]\(([^)]*)\)", r"`\1`", joined)
    return " ".join(joined.split()).replace("|", "\\|")


def default(option: dict) -> str:
    if option.get("required"):
        return "**required**"
    value = option.get("default")
    if value is None:
        return ""
    shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else str(value)
    return "`" + (" ".join(shown.split()).replace("|", "\\|") or '""') + "`"


def rows(options: dict, prefix: str = "") -> list[str]:
    lines = []
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")
        choices = f" One of: {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        lines.append(f"| `{prefix}{name}` | {kind} | {default(option)} | {text(option.get('description'))}{choices} |")
        lines += rows(option.get("options", {}), f"{prefix}{name}{'[]' if option.get('type') == 'list' else ''}.")
    return lines


def locked_versions() -> str:
    """The default first, and then what else there is, the newest first."""
    default = yaml.safe_load((ROOT / "roles/mlflow_server/defaults/main.yml").read_text())["mlflow_server_version"]
    names = sorted((path.parent.name for path in LOCKS.glob("*/server.txt")), key=lambda name: [int(part) for part in re.findall("[0-9]+", name)])
    *others, last = [f"{default} (default)", *(name for name in reversed(names) if name != default)]
    return f"{', '.join(others)} and {last}" if others else last


def brought_up_to_date(path: Path, new: str, check: bool) -> list[str]:
    """Write a file, or say that it would be written."""
    if new == path.read_text():
        return []
    if check:
        return [f"{path.relative_to(ROOT)} is not up to date; run: make docs"]
    path.write_text(new)
    return []


def main(check: bool) -> int:
    problems = []
    versions = rf"\g<1>{locked_versions()}\g<2>"
    for role in sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()):
        specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
        options = specs["main"]["options"]
        defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
        for name in sorted(set(defaults) - set(options)):
            problems.append(f"{role.name}: {name} has a default but no specification")
        for name, option in options.items():
            if not option.get("required") and name not in defaults:
                problems.append(f"{role.name}: {name} is specified but has no default in defaults/main.yml")
            elif "default" in option and option["default"] != defaults.get(name):
                problems.append(f"{role.name}: the defaults of {name} differ: {option['default']!r} and {defaults.get(name)!r}")
        readme = role / "README.md"
        table = "\n".join(["| Variable | Type | Default | Meaning |", "|---|---|---|---|", *rows(options)])
        old = readme.read_text()
        if not TABLE.search(old):
            problems.append(f"{role.name}: README.md has no <!-- variables --> markers")
        new = TABLE.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", old)
        problems += brought_up_to_date(readme, VERSIONS.sub(versions, new), check)
    problems += brought_up_to_date(ROOT / "README.md", VERSIONS.sub(versions, (ROOT / "README.md").read_text()), check)
    print("\n".join(problems) or "The roles' documentation is up to date.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
