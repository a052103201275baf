"""What a deployment costs: from a blank container to the first logged run, further runs, check runs, and many hosts."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import yaml
from stack import BUILD, HOST_CA, LOGS, MLFLOW_VERSION, ROOT, Container, Ours, Recipe, Script, Stack, ansible, docker, say

HOSTS = 10
# What same_tools.sh takes ready from a machine that site.yml has set up.
STATE = (
    "--exclude=opt/mlflow/current --exclude=opt/mlflow/uv --exclude=opt/mlflow/venvs --exclude=etc/mlflow/backend-ca.crt"
    " etc/mlflow etc/minio etc/nginx/conf.d etc/nginx/*.users etc/postgresql-common/createcluster.d"
    " etc/postgresql/*/main/conf.d etc/postgresql/*/main/pg_hba.conf etc/systemd/system/mlflow*.service etc/systemd/system/minio.service"
    " etc/systemd/system/nginx.service.d opt/mlflow opt/minio/tools-requirements.txt root/state var/lib/mlflow/*.env"
)


class SameTools(Script):
    """The end state of site.yml by a shell script with the same tools."""

    kind = "same tools"
    script = "same_tools.sh"
    ca_file = Ours.ca_file

    def __init__(self, name: str, model: Stack) -> None:
        super().__init__(name, STATE_NAME=model.container.name)
        self.model = model

    def prepare(self) -> None:
        self.password = self.model.password
        take_state(self.model.container, self.folder / "state.tar.gz")
        docker("cp", self.folder / "state.tar.gz", f"{self.container.name}:/root/state.tar.gz")


def take_state(container: Container, target: Path) -> None:
    """Fetch the rendered files, the list of packages and the database's role from a machine that site.yml has just set up."""
    role = """
        SELECT format('CREATE ROLE mlflow LOGIN PASSWORD %L;', rolpassword) FROM pg_authid WHERE rolname = 'mlflow';
        SELECT 'CREATE DATABASE mlflow OWNER mlflow TEMPLATE template0;'; SELECT 'REVOKE ALL ON DATABASE mlflow FROM PUBLIC;';
    """
    container.call("install", "-d", "-m", "0700", "/root/state")
    container.call("sh", "-c", "umask 077; runuser -u postgres -- psql -qXAt >/root/state/role.sql", text=role)
    container.call("sh", "-c", "cat >/root/state/uv.txt", text=(ROOT / "requirements/uv.txt").read_text())
    container.call("sh", "-c", "cat >/root/state/compiled", text="\n".join(compiled_modules()))
    container.call("sh", "-c", f"apt-mark showmanual | grep -vx openssh-server >/root/state/packages; cd / && tar -czf /root/state.tar.gz {STATE}")
    docker("cp", f"{container.name}:/root/state.tar.gz", target)
    container.call("rm", "-r", "/root/state", "/root/state.tar.gz")


def compiled_modules() -> list[str]:
    """What the role has compiled of MLflow's packages."""
    tasks = yaml.safe_load((ROOT / "roles/mlflow_server/tasks/install.yml").read_text())
    return next(task["mlops.mlflow.uv_venv"]["compile_only"] for task in tasks if "mlops.mlflow.uv_venv" in task)


def timed_play(name: str, play, *argv: str) -> dict[str, object]:
    """Run a playbook; returns {name, seconds, tasks, changed, slowest: [[task, seconds]]}."""
    start = time.monotonic()
    output = play(*argv, log=LOGS / f"{name.replace(' ', '-')}.log")
    row = {"name": name, "seconds": round(time.monotonic() - start, 1), **summary(output)}
    say(f"{name}: {row['seconds']} s, {row['tasks']} tasks, {row['changed']} changed")
    return row


def summary(output: str) -> dict[str, object]:
    """What a playbook's output says: number of tasks, changes, and the slowest tasks with their seconds."""
    recap = output.rpartition("TASKS RECAP")[2]
    return {
        "tasks": len(re.findall(r"^(?:TASK|RUNNING HANDLER) \[", output, re.MULTILINE)),
        "changed": sum(map(int, re.findall(r"\bchanged=(\d+)", output))),
        "slowest": [[task, float(seconds)] for task, seconds in re.findall(r"^(.+?) -+ ([\d.]+)s$", recap, re.MULTILINE)],
    }


def first_runs(ours: Ours, recipe: Recipe, rounds: int) -> list[dict]:
    """Alternating deployments on blank containers. The last ones of ours and of the recipe stay."""
    rows = []
    for number in range(1, rounds + 1):
        same = SameTools("same-tools", ours)
        for stack in (ours, same, recipe):
            row = {"round": number, "stack": stack.kind, "seconds": round(stack.deploy(), 1)}
            rows.append({**row, "steps": stack.steps()} if isinstance(stack, Script) else {**row, **summary(stack.log.read_text())})
            if stack is same:
                stack.destroy()
            else:
                stack.stop()
    return rows


def install_steps(rounds: int) -> list[dict]:
    """MLflow's packages alone: the module uv_venv (which brings uv, too) against the guides' pip, in seconds."""
    rows = []
    options = {
        "path": "/opt/ours",
        "uv_dir": "/opt/uv",
        "requirements": [f"/locks/{MLFLOW_VERSION}/server.txt"],
        "ca_file": HOST_CA,
        "cache_dir": "/var/cache/uv",
        "compile_only": compiled_modules(),
    }
    container = Container("install")
    for number in range(1, rounds + 1):
        container.remove()
        container.start()
        container.call("apt-get", "install", "-y", "--no-install-recommends", "python3-venv", env={"DEBIAN_FRONTEND": "noninteractive"})
        row: dict = {"round": number}
        start = time.monotonic()
        ansible(
            *("ansible", container.name, "--inventory", f"{container.name},", "--connection", "community.docker.docker"),
            *("--extra-vars", "ansible_python_interpreter=/usr/bin/python3", "--module-name", "mlops.mlflow.uv_venv", "--args", json.dumps(options)),
            log=LOGS / "install-ours.log",
        )
        row["ours"] = round(time.monotonic() - start, 1)
        start = time.monotonic()
        container.call("bash", "/bench/pip_install.sh", "/opt/pip", env={"MLFLOW_VERSION": MLFLOW_VERSION, "PIP_CERT": HOST_CA}, limit=900)
        row["recipe"] = round(time.monotonic() - start, 1)
        say(f"install step: ours {row['ours']} s, pip {row['recipe']} s")
        rows.append(row)
    container.remove()
    return rows


def further_runs(ours: Ours, rounds: int) -> list[dict]:
    """The site again, and in check mode."""
    rows = []
    for number in range(1, rounds + 1):
        for name, options in (("second run", ()), ("check run", ("--check",))):
            rows.append({"round": number, **timed_play(name, lambda *argv, log: ours.play(ROOT / "site.yml", *argv, log=log), *options)})
    return rows


def many_hosts() -> list[dict]:
    """The role mlflow_server with its defaults on one host and on ten, first and second run, with Ansible's default of five forks."""
    containers = [Container(f"host{number}") for number in range(HOSTS + 1)]
    common = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "mlflow_server_ca_bundle_file": HOST_CA,
        "mlflow_server_uv_cache_dir": "/var/cache/uv",
    }
    inventory = BUILD / "hosts.yml"
    groups = {"one": containers[:1], "ten": containers[1:]}
    inventory.write_text(
        json.dumps({"all": {"vars": common, "children": {name: {"hosts": {each.name: {} for each in some}} for name, some in groups.items()}}})
    )
    rows = []
    try:
        for container in containers:
            container.remove()
            container.start()
        for name, some in groups.items():
            for which in ("first", "second"):
                row = timed_play(
                    f"{which} run on {name}",
                    lambda *argv, log: ansible("ansible-playbook", ROOT / "benchmarks/hosts.yml", "--inventory", inventory, *argv, log=log),
                    *("--limit", name),
                )
                rows.append({**row, "hosts": len(some), "which": which})
    finally:
        for container in containers:
            container.remove()
    return rows


def measure(ours: Ours, recipe: Recipe, rounds: int) -> dict[str, list[dict]]:
    """All of the above; returns the rows by part."""
    rows = {"deploy": first_runs(ours, recipe, rounds), "install": install_steps(rounds)}
    # The playbook is to find what it has left.
    ours.container.call("systemctl", "start", *ours.units())
    rows["further_runs"] = further_runs(ours, rounds)
    ours.stop()
    rows["hosts"] = many_hosts()
    return rows
