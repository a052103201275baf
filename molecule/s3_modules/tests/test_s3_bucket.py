"""What a task cannot ask about itself: whether its secrets come to light while it runs. And whether the examples of all the S3 modules run."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(__file__).parents[1]
MODULES = SCENARIO.parents[1] / "plugins/modules"
VARIABLES = yaml.load((SCENARIO / "vars/all.yml").read_text().replace("!unsafe ", ""), yaml.SafeLoader)
# Other signs are escaped here and there; the words between them are not.
WORDS = ("M4rker", "Secr3t")
SECRET = "M4rker%@:/?#[]'\"\\{} $`é;Secr3t"
ROOT = {"login_user": VARIABLES["s3_root_user"], "login_password": VARIABLES["s3_root_password"]}
MINIO = {"endpoint_url": VARIABLES["s3_endpoint_url"], "ca_file": VARIABLES["s3_ca_file"]}
S3 = {"endpoint_url": VARIABLES["s3_endpoint_url"], "aws_ca_bundle": VARIABLES["s3_ca_file"], "region": VARIABLES["s3_region"]}


@pytest.fixture
def play(host, tmp_path):
    """Run tasks on the host, as one play or as plays with titles; what was said."""
    name = host.ansible.get_variables()["inventory_hostname"]

    def run(tasks, *options, variables=None, environment=None, python=VARIABLES["s3_python"], **settings):
        plays = tasks if isinstance(tasks, dict) else {name: tasks}
        book = [{"name": title, "hosts": name, "gather_facts": False, "environment": environment or {}, "tasks": tasks} for title, tasks in plays.items()]
        (tmp_path / "book.yml").write_text(json.dumps(book))
        # Values that are not templates, whatever they hold.
        text = yaml.safe_dump({"ansible_python_interpreter": python})
        text += "".join(f"{key}: !unsafe {json.dumps(value)}\n" for key, value in (variables or {}).items())
        (tmp_path / "variables.yml").write_text(text)
        argv = ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], "--extra-vars", f"@{tmp_path / 'variables.yml'}", *options]
        done = subprocess.run([*argv, tmp_path / "book.yml"], env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@contextlib.contextmanager
def sampled(host):
    """Collects the command lines of all processes of the host meanwhile."""
    loop = "while [ ! -e /run/argv.stop ]; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\\0' '\\n' | sort -u >/run/argv"
    host.check_output("rm -f /run/argv /run/argv.stop")
    host.check_output("systemd-run --collect --unit=argv sh -c %s", loop)
    yield
    host.check_output("touch /run/argv.stop && while systemctl is-active --quiet argv; do sleep 0.1; done")


@pytest.mark.parametrize(
    "pipelining", [pytest.param("True", marks=pytest.mark.one_machine("debian12")), pytest.param("False", marks=pytest.mark.one_machine("debian13"))]
)
def test_secrets_do_not_come_to_light(host, play, pipelining):
    user = {"access_key": "leak", "secret_key": "{{ secret }}"}
    bucket = {"mlops.mlflow.s3_bucket": {**S3, **user, "name": "proof-leak", "tags": {"a": "b"}, "quota": "1G"}}
    login = {**MINIO, "login_user": ROOT["login_user"], "login_password": "{{ root }}"}
    expect_failure = {"register": "refused", "failed_when": "refused is not failed"}
    tasks = [
        {"mlops.mlflow.minio_user": {**login, **user, "policies": ["consoleAdmin"]}},
        {**bucket, "check_mode": True},
        bucket,
        {"mlops.mlflow.s3_bucket_info": {**S3, **user, "name": "proof-leak", "gather": ["tags", "quota"]}},
        {"mlops.mlflow.s3_bucket": {**S3, **user, "name": "proof-leak", "state": "absent"}},
        {"mlops.mlflow.minio_user": {**login, "access_key": "leak", "state": "absent"}},
        # The key is unknown by now; a certificate that nobody trusts; a token that is none; what only the library finds out.
        {**bucket, **expect_failure},
        {"mlops.mlflow.s3_bucket": {**S3, **user, "name": "proof-leak", "aws_ca_bundle": "/etc/ssl/certs/ISRG_Root_X1.pem"}, **expect_failure},
        {"mlops.mlflow.s3_bucket": {**S3, **user, "name": "proof-leak", "session_token": "{{ secret }}"}, **expect_failure},
        {"mlops.mlflow.s3_bucket": {**S3, **user, "name": "proof-leak", "lifecycle_rules": [{"Wrong": 1}]}, **expect_failure},
    ]
    variables = {"secret": SECRET, "root": ROOT["login_password"]}
    # Where Ansible keeps its files on the host, and nothing of earlier runs.
    host.check_output("rm -rf /root/.ansible")
    since = host.check_output("date +%s")
    with sampled(host):
        # The real one: it is what shows its arguments.
        real = {"python": VARIABLES["s3_cold_python"], "ANSIBLE_PIPELINING": pipelining, "ANSIBLE_INJECT_INVOCATION": "True"}
        output = play(tasks, "-vvvv", "--diff", variables=variables, **real)
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in output
    argv = host.file("/run/argv").content_string
    assert "python" in argv, "nothing was sampled"
    assert pipelining == "True" or "AnsiballZ_s3_bucket.py" in argv, "the modules were not sampled"
    journal = host.check_output("journalctl --no-pager --since @%s", since)
    assert "ansible" in journal or "s3_bucket" in journal, "the journal does not know of the modules"
    for word in WORDS:
        assert word not in output
        assert word not in argv
        assert word not in journal
        # The pattern does not match its own text.
        found = host.run("grep -rla %s /tmp /var/tmp /root /etc /var/log /run", f"[{word[0]}]{word[1:]}").stdout.split()
        assert found == [], found


@pytest.mark.one_machine("debian12")
def test_examples_run(play):
    """Every example of the modules, on servers that go by the names in them."""
    setup = [
        *(
            {"mlops.mlflow.minio_user": {**MINIO, "login_user": ROOT["login_user"], "login_password": "{{ root }}", **user}}
            for user in (
                {"access_key": "admin", "secret_key": "{{ s3_admin_password }}", "policies": ["consoleAdmin"]},
                *({"access_key": name, "secret_key": "{{ s3_admin_password }}"} for name in ("alice", "bob", "intern")),
            )
        ),
        {
            "mlops.mlflow.minio_policy": {
                **MINIO,
                "login_user": ROOT["login_user"],
                "login_password": "{{ root }}",
                "name": "mlflow",
                "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::mlflow/*"]}]},
            }
        },
    ]
    names = ["s3_bucket", "s3_bucket_info", "s3_undelete", *(f"minio_{noun}{twin}" for noun in ("policy", "user", "group") for twin in ("", "_info"))]
    examples = {name: example_of(MODULES / f"{name}.py") for name in names}
    assert sorted(names) == sorted(path.stem for path in MODULES.glob("*.py") if path.stem.startswith(("s3_", "minio_")))
    variables = {"root": ROOT["login_password"], "s3_admin_password": "admin {{ % } password", "mlflow_s3_secret_key": "key of {{ % } mlflow"}
    environment = {
        # The instance, and AWS.
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_ENDPOINT_URL": VARIABLES["s3_aws_url"],
        # A server with a certificate that everybody trusts.
        "AWS_CA_BUNDLE": VARIABLES["s3_ca_file"],
    }
    remove = [{"mlops.mlflow.s3_bucket": {**S3, "access_key": ROOT["login_user"], "secret_key": "{{ root }}", "name": "mlflow", "state": "absent"}}]
    login = {**MINIO, "login_user": ROOT["login_user"], "login_password": "{{ root }}", "state": "absent"}
    remove += [{"mlops.mlflow.minio_group": {**login, "name": "trainers", "force": True}}]
    remove += [{"mlops.mlflow.minio_user": {**login, "access_key": name}} for name in ("admin", "alice", "bob", "intern", "mlflow")]
    remove += [{"mlops.mlflow.minio_policy": {**login, "name": name}} for name in ("mlflow", "read-models")]
    plays = {"set up": setup}
    for name, tasks in examples.items():
        plays |= {name: tasks, f"{name} again": tasks}
    output = play({**plays, "remove": remove}, variables=variables, environment=environment)
    changed = {part.partition("]")[0] for part in output.split("\nPLAY [")[1:] if "\nchanged: [" in part}
    assert {name for name in changed if name.endswith(" again")} == set()
    assert {"set up", "s3_bucket", "minio_policy", "minio_user", "minio_group"} <= changed


def example_of(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES":
            return yaml.safe_load(node.value.value)
    raise AssertionError(path)
