#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_secrets
short_description: Adds random secrets to a file of variables, or replaces those that are there
version_added: 1.0.0
description:
  - Writes the variables that are missing, each with a random value, to a YAML file on the controller that only its owner may read.
  - A variable that is in the file already, or that has a value from elsewhere in the inventory, is left alone, unless O(previous) is given.
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
  access_keys:
    description: Names of variables that get 20 capital letters and digits, as keys of S3 have them. With O(previous) they need not be there before.
    type: list
    elements: str
    default: []
  previous:
    description:
      - Another file on the controller. The variables get new values, and the former ones stand in this file, encrypted as O(path) is.
        Nothing else in O(path) is touched.
      - What is named in it has its new value already and keeps it. So a run that was broken off is taken up by the next one. Remove the file
        when nobody needs the former values any more.
      - A variable that the inventory does not take from O(path), or that is a template there, is refused.
    type: path
"""

EXAMPLES = r"""
- name: Make the password of the database
  mlops.mlflow.vault_secrets:
    path: "{{ inventory_dir }}/group_vars/all/vault.yml"
    passwords: [vault_database_password]

- name: Make another one
  mlops.mlflow.vault_secrets:
    path: "{{ inventory_dir }}/group_vars/all/vault.yml"
    passwords: [vault_database_password]
    previous: "{{ inventory_dir }}/group_vars/all/.vault.previous.yml"
"""

RETURN = r"""
added:
  description: Names of the variables that were added.
  returned: success without O(previous)
  type: list
  elements: str
replaced:
  description: Names of the variables that got another value.
  returned: success with O(previous)
  type: list
  elements: str
previous:
  description: Names of all variables in that file.
  returned: success with O(previous)
  type: list
  elements: str
encrypted:
  description: Whether the file is encrypted with Ansible Vault.
  returned: success
  type: bool
"""
