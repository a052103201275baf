"""What a task cannot ask about itself: whether its secrets come to light beside its answer. And whether the examples run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

MODULES = Path(__file__).parents[3] / "plugins/modules"
# Other signs are escaped here and there; the words between them are not.
WORDS = ("M4rker", "Secr3t")
SECRET = "first line\nM4rker%@:/?#[]'\"\\{} $`é;Secr3t\n"


@pytest.fixture
def play(host, tmp_path):
    """Run tasks on the host; what was said."""
    name = host.ansible.get_variables()["inventory_hostname"]

    def run(tasks, *options, **settings):
        (tmp_path / "book.yml").write_text(json.dumps([{"hosts": name, "gather_facts": False, "tasks": tasks}]))
        # Not in the play: Ansible shows the lines of it that failed.
        (tmp_path / "variables.yml").write_text(f"secret: !unsafe {json.dumps(SECRET)}\n")
        argv = ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], "--extra-vars", f"@{tmp_path / 'variables.yml'}", *options]
        done = subprocess.run([*argv, tmp_path / "book.yml"], env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def keep(**options):
    file = {"path": "/root/secret", "secret_content": "{{ secret }}", "mode": "0600", **options}
    return {"mlops.mlflow.host_files": {"files": [file]}, "register": "said"}


@pytest.mark.parametrize(
    "pipelining", [pytest.param("True", marks=pytest.mark.one_machine("debian12")), pytest.param("False", marks=pytest.mark.one_machine("debian13"))]
)
def test_secrets_do_not_come_to_light(host, play, pipelining):
    refused = {"failed_when": "said is not failed"}
    tasks = [
        {**keep(), "check_mode": True},
        keep(),
        keep(mode="0640"),
        keep(secret_content="{{ secret }}changed\n"),
        {**keep(validate='sh -c \'cat "$1"; cat "$1" >&2; exit 1\' check %s'), **refused},
        {**keep(content="both"), **refused},
        {**keep(colour="red"), **refused},
        {**keep(owner="nobody-knows"), **refused},
        keep(secret_content=None, content="{{ secret }}from a content\n", secret=True),
        keep(state="absent"),
    ]
    said = play(tasks, "-vvv", "--diff", ANSIBLE_PIPELINING=pipelining, ANSIBLE_INJECT_INVOCATION="True")
    assert "the new content holds secrets" in said
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in said
    host.check_output("journalctl --sync")
    # Lengths of entries with several lines stand there as bytes.
    journal = host.run("journalctl --all --no-pager --output=export").stdout_bytes.decode(errors="replace")
    # What Ansible writes there of others shows that the system's log has what is looked for.
    assert "ansible-" in journal
    assert not [word for word in WORDS for text in (said, journal) if word in text]
    left = host.run("grep --recursive --files-with-matches --fixed-strings %s /root /tmp /var/tmp /run", WORDS[0])
    assert left.stdout == ""


@pytest.mark.one_machine("debian13")
@pytest.mark.parametrize("module", ["host_files", "host_info"])
def test_examples_run(play, tmp_path, module):
    for folder, name in (("templates", "mlflow.env.j2"), ("files", "ca.crt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("of the example\n")
    text = (MODULES / f"{module}.py").read_text().split('EXAMPLES = r"""')[1].split('"""')[0]
    play(yaml.safe_load(text.replace("notify: Restart MLflow", "")), "--check")
