# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  units:
    description: The units. The first is started at boot, and the others with it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the unit, with its suffix.
        type: str
        required: true
      socket:
        description: The Unix socket that it listens on. Without one, or with an empty one, it is asked at O(units[].host) and O(units[].port).
        type: path
      host:
        description: Where it listens, an IPv6 address in brackets.
        type: str
        default: 127.0.0.1
      port:
        description: Where it listens.
        type: int
        default: 5000
  version:
    description: The version of MLflow that must answer. Without it, any may.
    type: str
  tls:
    description: What the server is asked with, where it wants certificates of its clients.
    type: dict
    suboptions:
      certificate:
        description: The certificate to show.
        type: path
        required: true
      key:
        description: Its key.
        type: path
        required: true
      ca:
        description: The certificate that the server's own is signed with.
        type: path
        required: true
  login_file:
    description:
      - The configuration of MLflow's own login application (E(MLFLOW_AUTH_CONFIG_PATH)), by whose administrator the server is asked.
      - Without it, or where it does not exist, the server is asked without a login.
    type: path
  single_sign_on:
    description:
      - The login application is C(mlflow-oidc-auth), which lets no machine in by a password. The server then serves when it says that it is ready, and
        refuses who has no login.
    type: bool
    default: false
  files:
    description:
      - Files, folders and links that the units read. They are kept, and put back.
      - Those that are missing count as such, so that they are missing again when the others are put back.
    type: list
    elements: path
    default: []
  environment_files:
    description: Files among O(files) or beside them whose secrets must not be shown.
    type: list
    elements: path
    default: []
  timeout:
    description: How long to wait for a server that lives, in seconds.
    type: int
    default: 300
"""
