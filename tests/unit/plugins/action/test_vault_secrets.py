# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import types

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.playbook.task import Task
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.mlflow.plugins.action import vault_secrets

VAULT = """\
# mine
vault_a: !unsafe "{{ braces }} é \\" \\\\"  # of a
vault_b: |-
  of two
  lines
vault_c: plain
other: [1, 2]
"""
A = '{{ braces }} é " \\'


class Folder:
    """The files of a vault, and what a task makes of them."""

    def __init__(self, path, password=None):
        self.vault, self.previous = path / "vault.yml", path / ".previous.yml"
        self.loader = DataLoader()
        if password:
            self.loader.set_vault_secrets([("default", VaultSecret(password))])
        self.vault.write_text(VAULT)

    def read(self, path):
        return self.loader.load_from_file(str(path), cache="none")

    def replace(self, *names, variables=None, check_mode=False, **options):
        task = Task()
        task.args = {"path": str(self.vault), "previous": str(self.previous), "passwords": list(names), **options}
        task.check_mode = check_mode
        no_connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=""))
        action = vault_secrets.ActionModule(task, no_connection, None, self.loader, Templar(loader=self.loader), None)
        seen = self.read(self.vault) if variables is None else variables
        return action.run(task_vars=seen)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_values_are_replaced_and_all_else_stays(folder):
    done = folder.replace("vault_a", "vault_b", fernet_keys=["vault_c"], access_keys=["vault_new"])
    assert done["changed"]
    assert done["replaced"] == done["previous"] == ["vault_a", "vault_b", "vault_c", "vault_new"]
    values = folder.read(folder.vault)
    new = [f'"{values[name]}"' for name in ("vault_a", "vault_b", "vault_c", "vault_new")]
    assert folder.vault.read_text() == ("# mine\nvault_a: {}  # of a\nvault_b: {}\nvault_c: {}\nother: [1, 2]\nvault_new: {}\n".format(*new))
    assert [len(values[name]) for name in ("vault_a", "vault_b", "vault_new")] == [32, 32, 20]
    assert len(base64.urlsafe_b64decode(values["vault_c"])) == 32
    assert folder.read(folder.previous) == {"vault_a": A, "vault_b": "of two\nlines", "vault_c": "plain", "vault_new": None}
    assert folder.previous.stat().st_mode & 0o777 == folder.vault.stat().st_mode & 0o777 == 0o600


def test_previous_values_are_not_read_as_templates(folder):
    folder.replace("vault_a")
    assert not Templar(loader=folder.loader).is_template(folder.read(folder.previous)["vault_a"])


def test_a_second_run_replaces_nothing_and_takes_others_in(folder):
    folder.replace("vault_a")
    first = folder.vault.read_text()
    assert not folder.replace("vault_a")["changed"]
    assert folder.vault.read_text() == first
    done = folder.replace("vault_a", "vault_c")
    assert (done["replaced"], done["previous"]) == (["vault_c"], ["vault_a", "vault_c"])
    assert folder.read(folder.previous) == {"vault_a": A, "vault_c": "plain"}


@pytest.mark.parametrize("died_at", [0, 1])
def test_a_run_that_dies_between_the_two_files_is_taken_up(folder, monkeypatch, died_at):
    real, calls = vault_secrets.write_private, []

    def die(path, content):
        if len(calls) == died_at:
            raise KeyboardInterrupt
        calls.append(path)
        real(path, content)

    monkeypatch.setattr(vault_secrets, "write_private", die)
    with pytest.raises(KeyboardInterrupt):
        folder.replace("vault_a", access_keys=["vault_new"])
    assert folder.vault.read_text() == VAULT
    monkeypatch.setattr(vault_secrets, "write_private", real)
    folder.replace("vault_a", access_keys=["vault_new"])
    assert folder.read(folder.previous) == {"vault_a": A, "vault_new": None}
    assert folder.read(folder.vault)["vault_a"] != A


def test_an_encrypted_vault_has_encrypted_former_values(tmp_path):
    folder = Folder(tmp_path, b"password")
    folder.vault.write_bytes(folder.loader._vault.encrypt(VAULT))
    folder.replace("vault_c")
    for path in (folder.vault, folder.previous):
        assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;")
    assert folder.read(folder.previous) == {"vault_c": "plain"}
    assert folder.read(folder.vault)["vault_c"] != "plain"


def test_check_mode_writes_nothing(folder):
    assert folder.replace("vault_a", check_mode=True)["changed"]
    assert folder.vault.read_text() == VAULT
    assert not folder.previous.exists()


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        (VAULT, {"vault_c": "of -e"}, "vault_c would not come from .*vault.yml: .* Set it there alone"),
        ("vault_a: x\n", {"vault_c": "of a host"}, "vault_c would not come from"),
        ("vault_a: x\n", {}, "vault_c would not come from .*the file lacks it"),
        ("vault_c: 12345678\n", {"vault_c": 12345678}, "vault_c .*no plain text: .* Put the text in quotes"),
        ("vault_c: '{{ other }}'\n", {"vault_c": trust_as_template("{{ other }}")}, "vault_c .*no plain text"),
        ("vault_c: &c x\nother: *c\n", {"vault_c": "x"}, "cannot be changed by machine. Write each variable as a line"),
        ("- vault_c\n", {}, "does not hold variables"),
        (None, {"vault_c": "x"}, "There is no .*vault.yml: ansible-playbook mlops.mlflow.secrets"),
    ],
)
def test_what_cannot_be_replaced_is_refused_before_anything_is_written(folder, text, variables, said):
    folder.vault.unlink() if text is None else folder.vault.write_text(text)
    with pytest.raises(AnsibleActionFail, match=said):
        folder.replace("vault_c", variables=variables)
    assert text is None or folder.vault.read_text() == text
    assert not folder.previous.exists()
