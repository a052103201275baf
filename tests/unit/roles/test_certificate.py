# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import yaml

ROLES = Path(__file__).parents[3] / "roles"
OPTIONS = {
    "certificate": "certificate_source",
    "minio": "minio_tls_source",
    "nginx_tls": "nginx_tls_certificate_source",
    "postgres": "postgres_tls_source",
}


def test_the_same_sources_of_a_certificate_everywhere():
    """What the role knows of each source, its tasks, and the choice of each role that offers them."""
    known = yaml.safe_load((ROLES / "certificate/vars/main.yml").read_text())["__certificate_sources"]
    tasks = ROLES / "certificate/tasks"
    assert {path.stem.removeprefix("from_") for path in tasks.glob("from_*.yml")} == set(known)
    assert {path.stem.removeprefix("preflight_") for path in tasks.glob("preflight_*.yml")} == {name for name in known if known[name]["has_preflight"]}
    choices = {
        (role, entry): set(specification["options"][option]["choices"])
        for role, option in OPTIONS.items()
        for entry, specification in yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"].items()
        if entry in ("main", "preflight")
    }
    # An ACME server asks for a file on port 80, where only the front has a web server.
    offered = {place: set(known) - ({"acme"} if place[0] in ("minio", "postgres") else set()) for place in choices}
    assert choices == offered
    assert len(choices) == 2 * len(OPTIONS)
