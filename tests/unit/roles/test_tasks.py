# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What neither YAML nor Ansible complains about."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"
FILES = sorted(ROLES.glob("*/tasks/*.yml"))


def commands(node: t.Any) -> t.Iterator[list[t.Any]]:
    """Every command that is given word by word."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "argv" and isinstance(value, list):
                yield value
            yield from commands(value)
    elif isinstance(node, list):
        for item in node:
            yield from commands(item)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROLES)))
def test_commands_are_words(path):
    """`- --option=:all:` is a mapping."""
    wrong = [word for words in commands(yaml.safe_load(path.read_text())) for word in words if not isinstance(word, (str, int))]
    assert not wrong


def test_there_are_some():
    assert sum(len(list(commands(yaml.safe_load(path.read_text())))) for path in FILES) > 5
