"""A host of the scenario with its database servers, and what the modules say when they run there."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

import pytest
import testinfra

PROJECT = pathlib.Path(__file__).parents[3]
ENVIRONMENTS = "/opt/mlflow"
OLD, NEW = "3.12.0", "3.17.2"
# The new one by another name, for runs of a test that has its database on the other host.
GUEST = "guest"
OLD_HEAD, NEW_HEAD = "7d34483879f0", "dc11669786a5"
# As vars/all.yml has it. PyMySQL cannot send the last character.
USER, PASSWORD = "mlflow", "%@:/?#[]'\"\\ {}{{ x }} $HOME`é"
PASSWORDS = {"postgresql": PASSWORD, "mysql": PASSWORD[:-1]}
# A table that the ninth of the twelve migrations changes: whoever holds it stops an upgrade in the middle.
LATE_TABLE = "experiment_tags"
# The first migration makes it.
NEW_TABLE = "label_schemas"

DATA = {
    "postgresql": """
        INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) SELECT 'm' || n % 10, n, n, 'run', n, false FROM generate_series(1, 50000) n""",
    "mysql": """
        INSERT INTO metrics (`key`, value, timestamp, run_uuid, step, is_nan) SELECT concat('m', seq % 10), seq, seq, 'run', seq, 0 FROM seq_1_to_50000""",
}
COMMON_DATA = """
    INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES (7, 'précis', 's3://bucket/7', 'active');
    INSERT INTO runs (run_uuid, name, experiment_id, user_id, status, start_time, artifact_uri, lifecycle_stage, source_type)
        VALUES ('run', 'one', 7, 'somebody', 'FINISHED', 1, 's3://bucket/7/run', 'active', 'LOCAL');
    INSERT INTO experiment_tags ({key}, value, experiment_id) VALUES ('tag', 'x', 7);
    INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('trace', 7, 1, 'OK');
    INSERT INTO trace_tags ({key}, value, request_id) VALUES ('mlflow.traceName', 'one', 'trace'), ('tag', 'x', 'trace');
    INSERT INTO trace_request_metadata ({key}, value, request_id) VALUES ('mlflow.trace.session', 's', 'trace'), ('mlflow.trace.cost', '{{}}', 'trace');
    INSERT INTO trace_metrics (request_id, {key}, value) VALUES ('trace', 'input_tokens', 3), ('trace', 'of another kind', 1);
"""


def on(*names):
    """Run a test on these hosts."""
    return pytest.mark.parametrize("machine", names, indirect=True)


def each(*cases):
    """Run a test for each host and kind of database given as debian12-sqlite: not all of all, which would take too long."""
    return pytest.mark.parametrize(("machine", "kind"), [case.split("-") for case in cases], indirect=["machine"])


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)
    return found


class Session:
    """A client of a database server that stays, as a person's does."""

    def __init__(self, container, argv, environment=None):
        options = [part for name, value in (environment or {}).items() for part in ("--env", f"{name}={value}")]
        self.process = subprocess.Popen(
            ["docker", "exec", "--interactive", *options, container, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ask(self, statement):
        """Run a statement and read until it is done; returns its lines."""
        self.process.stdin.write(f"{statement};\nSELECT 'done';\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().strip()) != "done":
            assert self.process.poll() is None, lines
            lines.append(line)
        return lines

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=30)


class Result(dict):
    """What a module returned, what Ansible wrote, and how long it took."""

    def __init__(self, values, output, seconds):
        super().__init__(values)
        self.output = output
        self.seconds = seconds

    @property
    def failed(self):
        return bool(self.get("failed"))

    @property
    def msg(self):
        return self["msg"]


class Machine:
    def __init__(self, name):
        self.name = f"mlflow_db_modules-{name}"
        self.host = testinfra.get_host(f"docker://{self.name}")
        self.address = self.host.check_output("hostname -I").split()[0]
        self.host.check_output("ln -sfn %s/%s %s/%s", ENVIRONMENTS, NEW, ENVIRONMENTS, GUEST)
        self.cluster = f"postgresql@{self.host.check_output('ls /etc/postgresql')}-main"

    @functools.cached_property
    def caller(self):
        """What runs modules there without Ansible, which takes a second for each run; beside it lie the modules, and what of Ansible they need."""
        # The other process of the tests has a folder of its own.
        folder = f"/srv/modules-{os.getpid()}"
        ansible = pathlib.Path(importlib.util.find_spec("ansible").origin).parent
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in ("__init__.py", "release.py", "_vendor", "module_utils"):
                archive.add(ansible / name, f"ansible/{name}")
            for name in ("modules", "module_utils"):
                archive.add(PROJECT / "plugins" / name, f"ansible_collections/mlops/mlflow/plugins/{name}")
            archive.add(pathlib.Path(__file__).with_name("calls_here.py"), "calls_here.py")
        self.host.check_output("mkdir -p %s", folder)
        subprocess.run(["docker", "exec", "--interactive", self.name, "tar", "-x", "-C", folder], input=buffer.getvalue(), check=True)
        return ["docker", "exec", "--interactive", self.name, "python3", f"{folder}/calls_here.py"]

    def run(self, module, options, check=False):
        """A run of a module on this host. That they run so by Ansible, too, is proven by the targets and the roles."""
        start = time.monotonic()
        call = json.dumps(["module", module, options, check])
        done = subprocess.run(self.caller, input=call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Result({"changed": False, **json.loads(done.stdout)}, done.stdout + done.stderr, time.monotonic() - start)

    def play(self, module, options, environment=None, verbosity=0):
        """The same by Ansible: one task, with a play of its own. Strings are data, whatever is in them."""

        def spelled(value):
            return f"!unsafe {json.dumps(value)}" if isinstance(value, str) else json.dumps(value)

        lines = [f"- hosts: {self.name}", "  gather_facts: false", "  tasks:", f"    - mlops.mlflow.{module}:"]
        lines += [f"        {name}: {spelled(value)}" for name, value in options.items()]
        lines += ["      diff: true"]
        with tempfile.TemporaryDirectory() as folder:
            play = pathlib.Path(folder, "play.yml")
            play.write_text("\n".join(lines) + "\n", encoding="utf-8")
            start = time.monotonic()
            done = subprocess.run(
                ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], *(["-" + "v" * verbosity] if verbosity else []), play],
                env={
                    **os.environ,
                    "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / "collections"),
                    **({} if verbosity else {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}),
                    **(environment or {}),
                },
                capture_output=True,
                text=True,
                check=False,
            )
        seconds = time.monotonic() - start
        output = done.stdout + done.stderr
        if verbosity:
            return Result({"failed": done.returncode != 0}, output, seconds)
        assert done.returncode in (0, 2), output
        return Result(json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"][self.name], output, seconds)

    def upgrade(self, database, check=False, version=NEW, **options):
        return self.run("mlflow_db_upgrade", {"virtualenv": f"{ENVIRONMENTS}/{version}", **database.options, **options}, check)

    def restore(self, database, backup, check=False, **options):
        return self.run("mlflow_db_restore", {"virtualenv": f"{ENVIRONMENTS}/{NEW}", **database.options, "backup": backup, **options}, check)

    def info(self, database, version=NEW, **options):
        return self.run("mlflow_db_info", {"virtualenv": f"{ENVIRONMENTS}/{version}", **database.options, **options})

    def kill_upgrader(self):
        (pid,) = self.host.check_output("pgrep -f %s", f"^{ENVIRONMENTS}/{NEW}/bin/python").split()
        self.host.check_output("kill -9 %s", pid)

    def files(self, folder):
        return self.host.run("ls -A %s", folder).stdout.split()


class Database:
    """A database of a machine at the schema of the old MLflow, with something in it."""

    def __init__(self, machine, name="faults"):
        self.machine = machine
        self.name = name

    @property
    def options(self):
        return {
            "driver": self.driver,
            "login_host": self.machine.address,
            "login_user": USER,
            "login_password": PASSWORDS[self.kind],
            "login_db": self.name,
        }

    @property
    def uri(self):
        login = f"{USER}:{urllib.parse.quote(PASSWORDS[self.kind], safe='')}"
        return f"{self.driver}://{login}@{self.machine.address}/{self.name}"

    def content(self):
        """A word for all that is in it: the schema and every row."""
        return self.digest(self.machine.host.check_output(self.dump, self.name))

    @staticmethod
    def digest(dump):
        # A word that pg_dump makes up, and conditions that PostgreSQL spells in another way once it has read them back.
        lines = [line for line in dump.splitlines() if not re.match(r"\\(un)?restrict |    CONSTRAINT \w+ CHECK ", line)]
        assert len(lines) > 50000
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def revision(self):
        return self.sql("SELECT version_num FROM alembic_version")


class Postgresql(Database):
    kind, driver = "postgresql", "postgresql+psycopg2"
    dump = "cd /; runuser -u postgres -- pg_dump %s"

    def sql(self, statement, name=None):
        return self.machine.host.check_output("cd /; runuser -u postgres -- psql -qAtX -v ON_ERROR_STOP=1 -c %s %s", statement, name or self.name)

    def session(self, user="postgres"):
        if user == "postgres":
            return Session(self.machine.name, ["runuser", "-u", "postgres", "--", "psql", "-qAtX", "--dbname", self.name])
        return Session(self.machine.name, ["psql", "-qAtX", "--username", user, "--dbname", self.name], {"PGPASSWORD": PASSWORD})

    def drop(self):
        self.sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", "postgres")

    def create(self, template="template1"):
        self.drop()
        self.sql(f"CREATE DATABASE {self.name} OWNER {USER} TEMPLATE {template}", "postgres")

    def fill(self):
        for statement in [*COMMON_DATA.format(key="key").split(";")[:-1], DATA["postgresql"]]:
            self.sql(f"SET SESSION AUTHORIZATION {USER}; {statement}")

    def start_over(self):
        self.create("base")

    def hold(self):
        session = self.session()
        session.ask(f"BEGIN; LOCK TABLE {LATE_TABLE} IN SHARE MODE")
        return session

    def waiting(self):
        return self.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") != "0"

    def restore(self, backup, machine):
        """Restore a backup that lies on a machine of the same server version, and say what is in it."""
        restored = Postgresql(machine, "restored")
        restored.create()
        machine.host.check_output("cd /; cat %s | runuser -u postgres -- pg_restore --exit-on-error --dbname restored", backup)
        return restored.content()

    def names(self):
        return self.sql("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database", "postgres")


class Mariadb(Database):
    kind, driver = "mysql", "mysql+pymysql"
    dump = "mariadb-dump --skip-comments --order-by-primary %s"

    def sql(self, statement, name=None):
        return self.machine.host.check_output("mariadb --batch --skip-column-names -e %s %s", statement, name or self.name)

    def session(self, user="root"):
        command = ["mariadb", "--batch", "--skip-column-names", "--unbuffered", f"--user={user}", self.name]
        return Session(self.machine.name, command, {} if user == "root" else {"MYSQL_PWD": PASSWORDS["mysql"]})

    def create(self):
        self.sql(f"DROP DATABASE IF EXISTS {self.name}; CREATE DATABASE {self.name}; GRANT ALL ON {self.name}.* TO {USER}@'%'", "mysql")

    def fill(self):
        self.sql(COMMON_DATA.format(key="`key`") + DATA["mysql"])

    def start_over(self):
        self.create()
        self.machine.host.check_output("mariadb-dump base | mariadb %s", self.name)

    def hold(self, user="root"):
        session = self.session(user)
        session.ask(f"BEGIN; SELECT count(*) FROM {LATE_TABLE}")
        return session

    def waiting(self):
        return self.sql(f"SELECT count(*) FROM information_schema.processlist WHERE db = '{self.name}' AND state LIKE 'Waiting for table metadata%'") != "0"

    def restore(self, backup, machine):
        restored = Mariadb(machine, "restored")
        restored.create()
        machine.host.check_output("mariadb restored < %s", backup)
        return restored.content()


class Sqlite(Database):
    kind, driver = "sqlite", "sqlite"
    dump = "python3 -c 'import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).iterdump(), sep=chr(10))' %s"

    def __init__(self, machine, name="/srv/faults/faults.db"):
        super().__init__(machine, name)

    @property
    def options(self):
        return {"driver": "sqlite", "login_db": self.name}

    @property
    def uri(self):
        return f"sqlite:///{self.name}"

    def sql(self, statement):
        script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: print(*[row[0] for row in c.execute(sys.argv[2])])"
        return self.machine.host.check_output("python3 -c %s %s %s", script, self.name, statement)

    def create(self):
        self.machine.host.check_output("mkdir -p /srv/faults; rm -f %s*", self.name)

    def fill(self):
        for statement in COMMON_DATA.format(key="key").split(";")[:-1]:
            self.sql(statement)
        self.sql(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 50000) "
            "SELECT 'm' || n % 10, n, n, 'run', n, 0 FROM s"
        )

    def start_over(self):
        self.machine.host.check_output("rm -f %s*; cp /srv/faults/base.db %s", self.name, self.name)

    def restore(self, backup, machine):
        return Sqlite(machine, backup).content()
