#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_secrets
short_description: Adds random secrets to a file of variables, and keeps what is there
version_added: 1.0.0
description:
  - Writes the variables that are missing, each with a random value, to a YAML file on the controller that only its owner may read.
  - A variable that is in the file already, or that has a value from elsewhere in the inventory, is left alone.
  - Encrypts the file where ansible-playbook was given a vault password, unless the file was there without encryption.
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  path:
    description: The file, on the controller.
    type: path
    required: true
  passwords:
    description: Names of variables that get 32 letters and digits.
    type: list
    elements: str
    default: []
  fernet_keys:
    description: Names of variables that get 32 random bytes as URL-safe base64.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make the password of the database
  mlops.mlflow.vault_secrets:
    path: "{{ inventory_dir }}/group_vars/all/vault.yml"
    passwords: [vault_database_password]
"""

RETURN = r"""
added:
  description: Names of the variables that were added.
  returned: success
  type: list
  elements: str
encrypted:
  description: Whether the file is encrypted with Ansible Vault.
  returned: success
  type: bool
"""
