"""Containers of the benchmark, and the two stacks that are compared."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "benchmarks"
BUILD = ROOT / ".build" / "bench"
LOGS = BUILD / "logs"
VENV = ROOT / ".venv" / "bin"
CACHE = Path(os.environ.get("MLOPS_CACHE_DIR", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlops-mlflow"))
S3_SERVER = CACHE / "s3-server"
LOCKS = ROOT / "roles" / "mlflow_server" / "files" / "locks"
MLFLOW_VERSION = re.search(r"^mlflow_server_version: (\S+)", (ROOT / "inventory.example/group_vars/all/site.yml").read_text(), re.MULTILINE).group(1)

PREFIX = "mlops-mlflow-bench"
IMAGE = "mlops-mlflow-test:debian12"
CLIENT_IMAGE = f"{PREFIX}-client:{hashlib.sha256((BENCH / 'Dockerfile').read_bytes()).hexdigest()[:12]}"
COLLECTION = "/collections/ansible_collections/mlops/mlflow"
HOST_CA = "/usr/local/share/host-ca.crt"
START_LIMIT = 120  # seconds that a service gets to answer


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


_begin = time.monotonic()


def say(text: str) -> None:
    """A line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - _begin:6.0f} s] {text}", flush=True)


def run(*argv: str | Path, env: dict[str, str] | None = None, text: str | None = None, limit: float = 600, log: Path | None = None) -> str:
    """Run a command to its end, at most `limit` seconds; returns its output, which is also written to `log`. `text` is its input."""
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            env={**os.environ, **(env or {})},
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            text=True,
            timeout=limit,
            check=False,
        )
    except FileNotFoundError as exc:
        raise BenchError(f"{argv[0]} is missing; `make bench` sets up what is needed") from exc
    except subprocess.TimeoutExpired as exc:
        raise BenchError(f"not finished within {limit:.0f} s: {shlex.join(map(str, argv))[:300]}") from exc
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
    if done.returncode:
        raise BenchError(f"exit status {done.returncode}: {shlex.join(map(str, argv))[:300]}\n{(done.stderr or done.stdout or '')[-2000:]}")
    return done.stdout


def docker(*argv: str | Path, **options) -> str:
    return run("docker", *argv, **options).strip()


class Container:
    """A blank machine: the test image with systemd. Its name is also the name by which the others reach it."""

    def __init__(self, name: str) -> None:
        self.name = f"{PREFIX}-{name}"

    def exists(self) -> bool:
        return bool(docker("ps", "--all", "--quiet", "--filter", f"name=^{self.name}$"))

    def start(self) -> None:
        """Make and start it, unless it runs already, and wait for systemd."""
        # SYS_PTRACE: to read the memory of other users' processes.
        run(
            *(ROOT / "scripts/machine.sh", self.name, IMAGE, PREFIX, "--cap-add", "SYS_PTRACE"),
            *("--volume", f"{CACHE}/pip:/root/.cache/pip", "--volume", f"{S3_SERVER}:/bench-s3-server:ro"),
            *("--volume", f"{BENCH}:/bench:ro", "--volume", f"{LOCKS}:/locks:ro", "--volume", f"{ROOT}/plugins:{COLLECTION}/plugins:ro"),
        )

    def wait(self, test: str, what: str, env: dict[str, str] | None = None) -> None:
        """Until a shell command succeeds in the container."""
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                self.call("sh", "-c", test, env=env)
                return
            except BenchError as exc:
                if time.monotonic() > end:
                    raise BenchError(f"{self.name}: {what} did not come up within {START_LIMIT} s\n{exc}") from exc
            time.sleep(0.3)

    def call(self, *argv: str, env: dict[str, str] | None = None, **options) -> str:
        """Run a command in the container; `env` does not appear in any command line."""
        flags = [flag for name in env or {} for flag in ("--env", name)]
        return docker("exec", "--interactive", *flags, self.name, *argv, env=env, **options)

    @property
    def address(self) -> str:
        return docker("container", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)

    def take_ssh(self) -> Path:
        """Install and start an ssh server, which machines have before they are set up; returns the file with root's private key."""
        key = BUILD / "ssh" / "key"
        if not shutil.which("ssh-keygen"):
            raise BenchError("an ssh client is needed on this machine (Debian: openssh-client)")
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        self.call("apt-get", "install", "-y", "--no-install-recommends", "openssh-server", env={"DEBIAN_FRONTEND": "noninteractive"})
        self.call("sh", "-c", "umask 077; mkdir -p /root/.ssh; cat >/root/.ssh/authorized_keys", text=key.with_suffix(".pub").read_text())
        self.call("systemctl", "start", "ssh")
        return key

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name)


class Watch:
    """Looks at a stack while something runs: `with Watch(container) as watch: ...; watch.highest`."""

    def __init__(self, container: Container, seconds: float = 1) -> None:
        self.argv = ["docker", "exec", "--interactive", container.name, "python3", "/bench/probe.py", "watch", str(seconds)]

    def __enter__(self) -> Watch:
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_exc: object) -> None:
        output = self.process.communicate("\n", timeout=60)[0]
        self.highest: dict[str, float] = json.loads(output)


class Stack:
    """A tracking server with all that belongs to it, in one container."""

    kind = ""
    # On the machine: the certificate that clients trust, and MLflow's Python.
    ca_file = python = ""

    def __init__(self, name: str) -> None:
        self.container = Container(name)
        self.folder = BUILD / "stacks" / name
        self.log = LOGS / f"{name}.log"
        self.url = f"https://{self.container.name}"
        self.user = "mlflow"

    @property
    def password(self) -> str:
        return json.loads((self.folder / "login.json").read_text())

    @password.setter
    def password(self, value: str) -> None:
        file = self.folder / "login.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(value))

    @property
    def ca(self) -> str:
        """PEM."""
        return self.container.call("cat", self.ca_file)

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def ensure(self) -> None:
        """Deploy it, unless it stands already."""
        if (self.folder / "stands").exists() and self.container.exists():
            self.container.start()
        else:
            self.deploy()

    def destroy(self) -> None:
        self.container.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def deploy(self) -> float:
        """Remove what is there, and deploy on a blank container; returns seconds."""
        self.destroy()
        self.folder.mkdir(parents=True)
        self.container.start()
        self.prepare()
        say(f"{self.kind}: a blank container becomes a tracking server")
        start = time.monotonic()
        self.install()
        seconds = time.monotonic() - start
        (self.folder / "stands").touch()
        say(f"{self.kind}: the first run is logged after {seconds:.0f} s")
        return seconds

    def prepare(self) -> None:
        """What comes before the clock starts."""

    def install(self) -> None:
        raise NotImplementedError

    def seed(self) -> None:
        """Put the content into the database that the load works on, once."""
        psql = ("runuser", "-u", "postgres", "--", "psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", "mlflow")
        if self.container.call(*psql, "-c", "SELECT count(*) FROM experiments WHERE experiment_id = 1000") == "0":
            self.container.call(*psql, text=(BENCH / "seed.sql").read_text())

    def units(self) -> list[str]:
        """The services that MLflow consists of."""
        listed = self.container.call("systemctl", "list-unit-files", "--no-legend", "--plain", "--type", "service", "mlflow*.service")
        return [line.split()[0] for line in listed.splitlines()]

    def stop(self) -> None:
        self.container.call("systemctl", "stop", *self.units())

    def start(self, client: Client) -> None:
        """Start MLflow, and wait until it answers and all its processes are there."""
        self.container.call("systemctl", "start", *self.units())
        client.wait_for(self)
        count, same = -1, 0
        for _look in range(30):
            time.sleep(1)
            now = int(self.look()["processes"])
            count, same = now, same + 1 if now == count else 0
            if same == 4:
                return
        raise BenchError(f"{self.kind}: the processes of MLflow keep coming and going; see journalctl -u 'mlflow*' in {self.container.name}")

    def look(self) -> dict[str, float]:
        return json.loads(self.container.call("python3", "/bench/probe.py"))

    def processor_seconds(self, before: dict[str, float]) -> dict[str, float]:
        """What the programs have used since that look."""
        after = self.look()
        return {name: round(value - before[name], 2) for name, value in after.items() if name.endswith("_cpu_s")}

    def drain(self) -> None:
        """Until the database has no work for MLflow: what an overload left behind is not part of the next measurement."""
        for _look in range(90):
            if not self.look()["busy_connections"]:
                return
            time.sleep(1)
        raise BenchError(f"{self.kind}: the database is still at work 90 s after the load has ended")


class Ours(Stack):
    """site.yml with inventory.example, and no variable that tunes anything."""

    kind = "ours"
    ca_file = "/etc/ssl/nginx_tls/mlflow-ca.crt"
    python = "/opt/mlflow/current/bin/python"

    def prepare(self) -> None:
        inventory = self.folder / "inventory"
        shutil.copytree(ROOT / "inventory.example", inventory)
        run(
            *(VENV / "python", ROOT / "scripts/demo_inventory.py", self.folder, "--host", self.container.name, "--public-name", self.container.name),
            *("--port", "443", "--http-port", "80", "--s3-server", S3_SERVER, "--ca-file", HOST_CA, "--uv-cache", "/var/cache/uv"),
        )
        access = dict(word.split("=", 1) for word in shlex.split((self.folder / "access.env").read_text(), comments=True))
        self.password = access["MLFLOW_TRACKING_PASSWORD"]
        login = {
            "ansible_connection": "ssh",
            "ansible_host": self.container.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.container.take_ssh()),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        }
        # JSON is YAML; this file is the last to be read.
        (inventory / "group_vars/all/zzz_ssh.yml").write_text(json.dumps(login))

    def install(self) -> None:
        self.play(ROOT / "site.yml", log=self.log)

    def use_mode(self, mode: str) -> None:
        """Let artifacts go that way, where they do not yet."""
        file = self.folder / "inventory/group_vars/all/zzz_mode.yml"
        if mode != (json.loads(file.read_text())["site_artifact_mode"] if file.exists() else "proxied"):
            file.write_text(json.dumps({"site_artifact_mode": mode}))
            self.install()

    def play(self, playbook: Path, *argv: str, log: Path) -> str:
        """Run a playbook on it; returns the output."""
        return ansible("ansible-playbook", playbook, "--inventory", self.folder / "inventory", *argv, log=log)


def ansible(command: str, *argv: str | Path, log: Path, limit: float = 3600) -> str:
    """Run one of Ansible's commands as a user does, with the times of the tasks at the end of its output."""
    env = {
        "PATH": f"{VENV}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(ROOT / ".ansible"),
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
        "ANSIBLE_NOCOLOR": "1",
        "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "10",
    }
    return run(VENV / command, *argv, env=env, log=log, limit=limit)


class Script(Stack):
    """Something that a shell script sets up."""

    script = ""

    def __init__(self, name: str, **environment: str) -> None:
        super().__init__(name)
        # The host's CA and caches are what the playbook has, too.
        self.environment = {"MLFLOW_VERSION": MLFLOW_VERSION, "PIP_CERT": HOST_CA, "SSL_CERT_FILE": HOST_CA, "UV_CACHE_DIR": "/var/cache/uv", **environment}

    def install(self) -> None:
        env = {"PASSWORD": self.password, **self.environment}
        self.container.call("bash", f"/bench/{self.script}", env=env, log=self.log, limit=1800)

    def steps(self) -> dict[str, float]:
        """Seconds of every step, by name."""
        return {name: float(seconds) for name, seconds in re.findall(r"^STEP (\S+) (\S+)$", self.log.read_text(), re.MULTILINE)}


class Recipe(Script):
    """What the compose guide does, by a plain script."""

    kind = "recipe"
    script = "recipe.sh"
    ca_file = "/etc/nginx/mlflow.crt"
    python = "/opt/mlflow/bin/python"

    def prepare(self) -> None:
        self.password = secrets.token_urlsafe(18)


class Client:
    """The machine of the users: wrk, curl, and MLflow's client in /opt/client."""

    def __init__(self) -> None:
        self.container = Container("client")

    def ensure(self) -> None:
        """Build the image and start the container, where they are missing. MLflow's client has the server's lock."""
        make_network()
        if not docker("image", "ls", "--quiet", CLIENT_IMAGE):
            say("building the image of the clients")
            docker("build", "--network", "host", "--build-arg", f"BASE={IMAGE}", "--tag", CLIENT_IMAGE, BENCH, env={"DOCKER_BUILDKIT": "0"})
        if not self.container.exists():
            docker(
                *("run", "--detach", "--name", self.container.name, "--hostname", self.container.name, "--network", PREFIX, "--init"),
                *("--volume", f"{CACHE}/uv:/var/cache/uv", "--volume", f"{VENV}:/host-venv:ro", "--volume", f"{LOCKS}:/locks:ro"),
                *("--volume", f"/etc/ssl/certs/ca-certificates.crt:{HOST_CA}:ro", "--volume", f"{BENCH}:/bench:ro", CLIENT_IMAGE),
            )
            env = {"UV_CACHE_DIR": "/var/cache/uv", "UV_NO_CONFIG": "1", "SSL_CERT_FILE": HOST_CA}
            self.container.call("python3", "-m", "venv", "--without-pip", "/opt/client")
            self.container.call(
                *("/host-venv/uv", "pip", "sync", "--quiet", "--python", "/opt/client/bin/python", "--require-hashes", f"/locks/{MLFLOW_VERSION}/server.txt"),
                env=env,
            )
        elif docker("container", "inspect", "--format", "{{.State.Running}}", self.container.name) != "true":
            docker("start", self.container.name)

    def wait_for(self, stack: Stack) -> None:
        """Until a stack answers with something from its database."""
        curl = 'printf "header = \\"Authorization: %s\\"" "$AUTHORIZATION" | curl --silent --show-error --fail --insecure --config - '
        path = "/api/2.0/mlflow/experiments/search?max_results=1"
        self.container.wait(curl + stack.url + path, stack.kind, env={"AUTHORIZATION": stack.authorization})


def make_network() -> None:
    if not docker("network", "ls", "--quiet", "--filter", f"name=^{PREFIX}$"):
        docker("network", "create", PREFIX)


def clean() -> None:
    """Remove everything that the benchmark made, but for the caches and the results."""
    names = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^{PREFIX}-").split()
    if names:
        docker("rm", "--force", "--volumes", *names)
    if docker("network", "ls", "--quiet", "--filter", f"name=^{PREFIX}$"):
        docker("network", "rm", PREFIX)
    shutil.rmtree(BUILD / "stacks", ignore_errors=True)
