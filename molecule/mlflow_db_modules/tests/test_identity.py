"""Users, roles, permissions and workspaces, by the modules, in real servers: one with the API for permissions up to 3.12, and one with that since 3.13."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import testbed

ADMIN = "first-password @:%/?#[]'\"\\ {}$;"
FOLDER = "/srv/identity"
PORT, PLAIN_PORT = 5411, 5412
AUTH = f"""\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{FOLDER}/auth.db
admin_username = admin
auth_cache_ttl_seconds = 60
admin_password = {ADMIN.replace("%", "%%")}
"""
SETTINGS = {
    "MLFLOW_AUTH_CONFIG_PATH": f"{FOLDER}/auth.ini",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the test",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
BOTH = pytest.mark.parametrize(("machine", "version"), [("debian12", testbed.OLD), ("debian13", testbed.NEW)], indirect=["machine"])
NEW = pytest.mark.parametrize(("machine", "version"), [("debian13", testbed.NEW)], indirect=["machine"])


class Server:
    """A server on a host, and the modules that ask it from there."""

    def __init__(self, machine, port, *command):
        self.machine = machine
        self.url = f"http://127.0.0.1:{port}"
        self.unit = f"identity-{port}"
        self.login = {"login_user": "admin", "login_password": ADMIN}
        machine.host.run("systemctl stop %s", self.unit)
        settings = [f"--setenv={name}={value}" for name, value in SETTINGS.items()]
        argv = ["systemd-run", "--quiet", "--collect", f"--unit={self.unit}", f"--working-directory={FOLDER}", *settings, *command]
        machine.host.check_output(" ".join(["%s"] * len(argv)), *argv)
        self.caller = subprocess.Popen(machine.caller, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self):
        testbed.wait_until(lambda: self.ask("GET", "none")["status"], "an answer of MLflow", 120)

    def _call(self, *call):
        self.caller.stdin.write(json.dumps(call) + "\n")
        self.caller.stdin.flush()
        return json.loads(self.caller.stdout.readline())

    def run(self, module, options, check=False):
        return self._call("module", f"mlflow_{module}", {"url": self.url, **self.login, **options}, check)

    def four_runs(self, module, **options):
        """Check, real, check, real: changed, changed, unchanged, unchanged, and the same answer each time; the first."""
        runs = [self.run(module, options, check) for check in (True, False, True, False)]
        assert not [run["msg"] for run in runs if run.get("failed")]
        assert [run["changed"] for run in runs] == [True, True, False, False]
        assert runs[0]["diff"] == runs[1]["diff"]
        assert runs[0]["diff"]["before"] != runs[0]["diff"]["after"]
        assert len({json.dumps([run[key] for key in ("user", "role", "workspace", "permissions") if key in run]) for run in runs}) == 1
        return runs[0]

    def do(self, module, **options):
        done = self.run(module, options)
        assert not done.get("failed"), done
        return done

    def refuses(self, module, *words, **options):
        """The same words in check mode and for real."""
        said = {self.run(module, options, check).get("msg", "it was not refused") for check in (True, False)}
        assert len(said) == 1
        assert all(word in next(iter(said)) for word in words), said

    def ask(self, method, path, connection=None, **content):
        return self._call("api", {"url": self.url, **self.login, **(connection or {})}, method, path, content)

    def made(self, path, **content):
        answer = self.ask("POST", path, **content)
        assert "answer" in answer, answer
        return answer["answer"]

    def stop(self):
        self.caller.stdin.close()
        self.caller.wait(timeout=30)
        self.machine.host.run("systemctl stop %s", self.unit)


@pytest.fixture(scope="module")
def servers():
    """Starts the servers of a host when they are first asked for."""
    running = {}

    def on(machine, version):
        if machine.name not in running:
            machine.host.check_output("rm -rf %s; mkdir -p %s; printf %%s %s > %s/auth.ini", FOLDER, FOLDER, AUTH, FOLDER)
            python = f"{testbed.ENVIRONMENTS}/{version}/bin/python"
            store = ["--backend-store-uri", f"sqlite:///{FOLDER}/mlflow.db", "--artifacts-destination", f"{FOLDER}/artifacts"]
            options = ["--port", str(PORT), "--workers", "1", "--app-name", "basic-auth", "--enable-workspaces", *store]
            running[machine.name] = {"login": Server(machine, PORT, python, "-m", "mlflow", "server", *options)}
            if version == testbed.NEW:
                # MLflow itself without what it is started by, for that needs a database.
                serve = f"from mlflow.server import app; app.run(port={PLAIN_PORT})"
                running[machine.name]["plain"] = Server(machine, PLAIN_PORT, python, "-c", serve)
            for server in running[machine.name].values():
                server.wait()
        return running[machine.name]

    yield on
    for found in running.values():
        for server in found.values():
            server.stop()


@pytest.fixture
def server(servers, machine, version):
    return servers(machine, version)["login"]


@BOTH
def test_users(server):
    made = server.four_runs("user", name="alice b", password="password of alice %")
    assert made["user"] == {"name": "alice b", "admin": False}
    assert made["diff"] == {"before": {}, "after": {"name": "alice b", "admin": False, "login": "password as given"}}
    assert not server.do("user", name="alice b")["changed"]
    changed = server.four_runs("user", name="alice b", password="second of alice b", admin=True)
    assert changed["diff"]["before"] == {"name": "alice b", "admin": False, "login": "another password"}
    assert not server.do("user", name="alice b", password="a third password", update_password="on_create")["changed"]
    assert server.do("user_info", name="alice b")["users"] == [{"name": "alice b", "admin": True, "roles": []}]
    # With rights of its own it changes others.
    oneself = {"login_user": "alice b", "login_password": "second of alice b"}
    server.four_runs("user", name="bob", password="password of bob", **oneself)
    server.refuses("user", "cannot take its own rights away", name="alice b", admin=False, **oneself)
    server.refuses("user", "cannot be removed by itself", name="alice b", state="absent", **oneself)
    server.four_runs("user", name="alice b", admin=False)
    server.refuses("user", "alice b has no right to do this", name="bob", **oneself)
    for name in ("alice b", "bob"):
        assert server.four_runs("user", name=name, state="absent")["user"] == {}
    assert [user["name"] for user in server.do("user_info")["users"]] == ["admin"]


@BOTH
def test_a_login_changes_its_own_password(server):
    server.do("user", name="second", password="the old password", admin=True)
    old, new = [{"login_user": "second", "login_password": password} for password in ("the old password", "the new password")]
    # The later runs log in with a password that holds no more.
    changed = server.four_runs("user", name="second", password="the new password", **old)
    assert changed["diff"]["after"]["login"] == "password as given"
    assert not server.do("user", name="second", password="the new password", **new)["changed"]
    server.refuses("user", "does not take the login of second", name="second", password="yet another password", **old)
    # Who may do nothing else may do this.
    server.do("user", name="second", admin=False)
    server.four_runs("user", name="second", password="the last password", **new)
    server.do("user", name="second", state="absent")


@BOTH
def test_roles(server):
    for name in ("carol", "dave"):
        server.do("user", name=name, password=f"password of {name}")
    made = server.four_runs("role", name="trainers", description="Train models", users=["dave"])
    assert made["role"] == {"name": "trainers", "workspace": "default", "description": "Train models", "users": ["dave"]}
    assert server.four_runs("role", name="trainers", users=["carol"])["role"]["users"] == ["carol", "dave"]
    assert server.four_runs("role", name="trainers", users=["carol"], exclusive=True)["diff"]["before"]["users"] == ["carol", "dave"]
    assert server.four_runs("role", name="trainers", description="")["role"] == {"name": "trainers", "workspace": "default", "description": ""}
    assert not server.do("role", name="trainers")["changed"]
    assert server.do("role_info", name="trainers")["roles"] == [{"name": "trainers", "workspace": "default", "description": "", "users": ["carol"]}]
    assert server.do("user_info", name="carol")["users"][0]["roles"] == [{"name": "trainers", "workspace": "default"}]
    server.refuses("role", "users that do not exist: nobody, noone", name="trainers", users=["noone", "carol", "nobody"])
    server.refuses("role", "begin with __user_", name="__user_1__")
    server.refuses("role", "Workspace 'none' not found", name="trainers", workspace="none")
    assert server.four_runs("role", name="trainers", state="absent")["role"] == {}
    for name in ("carol", "dave"):
        server.do("user", name=name, state="absent")


def churn(server, version):
    """What there are permissions for."""
    if "answer" in server.ask("GET", "2.0/mlflow/experiments/get-by-name", experiment_name="churn"):
        return
    experiment = server.made("2.0/mlflow/experiments/create", name="churn")["experiment_id"]
    server.made("2.0/mlflow/experiments/create", name="other")
    server.made("2.0/mlflow/registered-models/create", name="churn model")
    server.made("2.0/mlflow/registered-models/create", name="greeting", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
    server.made("3.0/mlflow/gateway/secrets/create", secret_name="key", secret_value={"api_key": "x"}, provider="openai")
    server.made("3.0/mlflow/scorers/register", experiment_id=experiment, name="is it/good", serialized_scorer='{"name": "is it/good"}')
    if version == testbed.NEW:
        server.made("3.0/mlflow/mcp-servers", name="org/tools")


@BOTH
def test_permissions_of_a_user(server, version):
    churn(server, version)
    login = {"login_user": "erin", "login_password": "password of erin"}
    server.do("user", name="erin", password="password of erin")
    wanted = [
        {"type": "experiment", "name": "churn", "permission": "READ"},
        {"type": "registered_model", "name": "churn model", "permission": "EDIT"},
        {"type": "scorer", "name": "is it/good", "experiment": "churn", "permission": "MANAGE"},
        {"type": "gateway_secret", "name": "key", "permission": "USE"},
    ]
    if version == testbed.NEW:
        wanted += [
            {"type": "prompt", "name": "greeting", "permission": "READ"},
            {"type": "mcp_server", "name": "org/tools", "permission": "READ"},
            {"type": "trace", "name": "*", "permission": "DENY"},
        ]

    def may_read():
        return "answer" in server.ask("GET", "2.0/mlflow/experiments/get-by-name", login, experiment_name="churn")

    def may_change():
        experiment = server.ask("GET", "2.0/mlflow/experiments/get-by-name", experiment_name="churn")["answer"]["experiment"]
        return "answer" in server.ask("POST", "2.0/mlflow/runs/create", login, experiment_id=experiment["experiment_id"])

    assert not may_read()
    given = server.four_runs("permission", user="erin", permissions=wanted)
    assert may_read()
    assert not may_change()
    assert given["permissions"]["scorer churn/is it/good"] == "MANAGE"
    assert given["diff"]["before"] == {"user": "erin", "workspace": "default", "permissions": {}}
    listed = server.do("permission_info", user="erin")["permissions"]
    assert sorted(listed, key=json.dumps) == sorted(wanted, key=json.dumps)
    more = {"type": "experiment", "name": "churn", "permission": "EDIT"}
    changed = server.four_runs("permission", user="erin", permissions=[more])
    assert changed["diff"]["before"]["permissions"] == {"experiment churn": "READ"}
    assert may_change()
    left = server.four_runs("permission", user="erin", permissions=[more], exclusive=True)
    assert left["diff"]["before"]["permissions"].keys() == given["permissions"].keys()
    assert server.do("permission_info", user="erin")["permissions"] == [more]
    gone = [{"type": "experiment", "name": name} for name in ("churn", "never there")]
    assert server.four_runs("permission", user="erin", permissions=gone, state="absent")["permissions"] == {}
    assert not may_read()
    # A user with permissions and roles can be removed, which MLflow 3.12 does not do alone.
    server.do("permission", user="erin", permissions=wanted)
    server.do("role", name="of-erin", users=["erin"])
    server.four_runs("user", name="erin", state="absent")
    server.do("role", name="of-erin", state="absent")


@BOTH
def test_permissions_of_a_role(server, version):
    churn(server, version)
    login = {"login_user": "frank", "login_password": "password of frank"}
    server.do("user", name="frank", password="password of frank")
    server.do("role", name="readers", users=["frank"])
    for options in ({"permission": "READ"}, {"permission": "MANAGE"}):
        server.four_runs("permission", role="readers", permissions=[{"type": "experiment", "name": "*", **options}])
    # MLflow 3.12 forgets the roles of who asks for an experiment by its name.
    other = server.ask("GET", "2.0/mlflow/experiments/get-by-name", experiment_name="other")["answer"]["experiment"]
    assert "answer" in server.ask("GET", "2.0/mlflow/experiments/get", login, experiment_id=other["experiment_id"])
    model = {"type": "registered_model", "name": "churn model", "permission": "READ"}
    left = server.four_runs("permission", role="readers", permissions=[model], exclusive=True)
    assert left["diff"]["before"]["permissions"] == {"experiment *": "MANAGE"}
    assert server.do("permission_info", role="readers")["permissions"] == [model]
    assert server.do("permission_info", user="frank")["permissions"] == []
    server.refuses("permission", "NO_PERMISSIONS is for users", role="readers", permissions=[{**model, "permission": "NO_PERMISSIONS"}])
    server.four_runs("permission", role="readers", permissions=[model], state="absent")
    server.do("role", name="readers", state="absent")
    server.do("user", name="frank", state="absent")


@BOTH
def test_workspaces(server, version):
    login = {"login_user": "grace", "login_password": "password of grace", "workspace": "team-a"}
    server.do("user", name="grace", password="password of grace")
    made = server.four_runs("workspace", name="team-a", description="Team A", default_artifact_root="s3://team-a")
    assert made["workspace"] == {
        "name": "team-a",
        "description": "Team A",
        "default_artifact_root": "s3://team-a",
        "trace_archival_location": "",
        "trace_archival_retention": "",
    }
    server.four_runs("workspace", name="team-a", description="", default_artifact_root="")
    assert [workspace["name"] for workspace in server.do("workspace_info")["workspaces"]] == ["default", "team-a"]
    if version == testbed.NEW:
        server.four_runs("workspace", name="team-a", trace_archival_retention="30d")
        server.four_runs("workspace", name="team-a", trace_archival_retention="")
    else:
        refused = server.run("workspace", {"name": "team-a", "trace_archival_retention": "30d"})
        assert refused["failed"]

    # A member may make experiments, which stay in the workspace.
    assert server.ask("POST", "2.0/mlflow/experiments/create", login, name="of grace")["status"] == 403
    member = [{"type": "workspace", "name": "*", "permission": "MANAGE"}]
    server.do("role", name="user", workspace="team-a", users=["grace"])
    server.four_runs("permission", role="user", workspace="team-a", permissions=member, **({"exclusive": True} if version == testbed.NEW else {}))
    created = server.ask("POST", "2.0/mlflow/experiments/create", login, name="of grace")
    if version == testbed.NEW:
        assert "answer" in created
        server.refuses("permission", "to roles only", user="grace", workspace="team-a", permissions=member)
    else:
        server.four_runs("permission", user="grace", workspace="team-a", permissions=member)
        created = server.ask("POST", "2.0/mlflow/experiments/create", login, name="of grace")
        assert "answer" in created
    grant = [{"type": "experiment", "name": "of grace", "permission": "EDIT"}]
    server.refuses("permission", "do not exist in the workspace default", "experiment of grace", user="grace", permissions=grant)
    assert server.four_runs("permission", user="grace", workspace="team-a", permissions=grant)["diff"]["before"]["permissions"] == {
        "experiment of grace": "MANAGE"
    }
    refused = server.run("workspace", {"name": "team-a", "state": "absent"})
    assert "still contains" in refused["msg"]
    server.four_runs("workspace", name="team-a", state="absent", resources="remove")
    server.do("user", name="grace", state="absent")
    for name in ("A", "x", "api", "a" * 64, "a_b"):
        server.refuses("workspace", "must be 2 to 63 small letters", name=name)
    server.refuses("workspace", "is MLflow's own", name="default", state="absent")


@BOTH
def test_what_is_refused(server, version):
    churn(server, version)
    server.do("user", name="heidi", password="password of heidi")
    reads = {"type": "experiment", "name": "churn", "permission": "READ"}
    for words, module, options in (
        (["12 characters or more"], "user", {"name": "heidi", "password": "short"}),
        (["everybody knows"], "user", {"name": "heidi", "password": "password1234"}),
        (["does not exist, and without a password"], "user", {"name": "nobody"}),
        (["ASCII"], "user", {"name": "heidi", "password": "password of héidi"}),
        (["ASCII"], "user", {"name": "héidi", "password": "password of heidi"}),
        (["colon"], "user", {"name": "a:b", "password": "password of a:b"}),
        (["does not take the login of admin"], "user", {"name": "heidi", "login_password": "a wrong password"}),
        (["everybody knows", "MLFLOW_AUTH_ADMIN_PASSWORD"], "user", {"name": "heidi", "login_password": "password1234"}),
        (["heidi has no right to do this"], "role", {"name": "r", "login_user": "heidi", "login_password": "password of heidi"}),
        (["The user nobody does not exist"], "permission", {"user": "nobody", "permissions": [reads]}),
        (["Workspace 'none' not found"], "permission", {"user": "heidi", "workspace": "none", "permissions": [reads]}),
        (["prompt churn model"], "permission", {"user": "heidi", "permissions": [{"type": "prompt", "name": "churn model", "permission": "READ"}]}),
        (["The role nothing does not exist in the workspace default"], "permission", {"role": "nothing", "permissions": [reads]}),
        (["listed twice"], "permission", {"user": "heidi", "permissions": [reads, reads]}),
        (["set permission"], "permission", {"user": "heidi", "permissions": [{"type": "experiment", "name": "churn"}]}),
        (["needs experiment"], "permission", {"user": "heidi", "permissions": [{**reads, "type": "scorer"}]}),
        (["set name to '*'"], "permission", {"user": "heidi", "permissions": [{**reads, "type": "trace"}]}),
        (
            ["experiment none, registered_model none, scorer churn/none, scorer none/none, gateway_endpoint none"],
            "permission",
            {
                "user": "heidi",
                "permissions": [
                    reads,
                    *({"type": kind, "name": "none", "permission": "READ"} for kind in ("experiment", "registered_model")),
                    *({"type": "scorer", "name": "none", "experiment": experiment, "permission": "READ"} for experiment in ("churn", "none")),
                    {"type": "gateway_endpoint", "name": "none", "permission": "READ"},
                ],
            },
        ),
        (["url must look like"], "user_info", {"url": "mlflow.example.com"}),
        (["login_user and login_password"], "user_info", {"url": "http://admin:secret@127.0.0.1"}),
        (["http://127.0.0.1:1 does not answer"], "user_info", {"url": "http://127.0.0.1:1"}),
    ):
        server.refuses(module, *words, **options)
    if version == testbed.OLD:
        server.refuses(
            "permission", "MLflow 3.12.0 knows no permissions of users for prompt", user="heidi", permissions=[{**reads, "type": "prompt", "name": "greeting"}]
        )
        server.refuses("permission", "for each experiment at once", user="heidi", permissions=[{**reads, "name": "*"}])
        server.four_runs("permission", user="heidi", permissions=[{**reads, "permission": "NO_PERMISSIONS"}])
    else:
        server.refuses("permission", "set DENY", user="heidi", permissions=[{**reads, "permission": "NO_PERMISSIONS"}])
        server.four_runs("permission", user="heidi", permissions=[{**reads, "permission": "DENY"}])
    server.do("user", name="heidi", state="absent")


@NEW
def test_a_server_without_logins_and_workspaces(servers, machine, version):
    server = servers(machine, version)["plain"]
    for module, options in (
        ("user", {"name": "alice"}),
        ("user_info", {}),
        ("role", {"name": "r"}),
        ("permission", {"user": "alice", "permissions": []}),
        ("permission_info", {"role": "r"}),
    ):
        server.refuses(module, "without MLflow's login application", **options)
    server.refuses("workspace", "--enable-workspaces", name="team-a")
    server.refuses("workspace_info", "--enable-workspaces")


@BOTH
def test_a_second_run_asks_little(server, version):
    """By the server's own log."""
    churn(server, version)
    server.do("user", name="ivan", password="password of ivan")
    permissions = [{"type": kind, "name": name, "permission": "READ"} for kind, name in (("experiment", "churn"), ("registered_model", "churn model"))]
    server.do("permission", user="ivan", permissions=permissions)
    server.do("role", name="r", users=["ivan"])

    def requests():
        return int(server.machine.host.check_output("journalctl --sync && journalctl --unit %s --output cat | grep -c '/api/'", server.unit))

    def asked(module, **options):
        before = requests()
        assert not server.do(module, **options)["changed"]
        return requests() - before

    assert asked("user", name="ivan", password="password of ivan") == 2
    # MLflow up to 3.12 is asked first whether it has the newer API.
    assert asked("permission", user="ivan", permissions=permissions) == (3 if version == testbed.NEW else 4)
    assert asked("role", name="r", users=["ivan"]) == 3
    server.do("role", name="r", state="absent")
    server.do("user", name="ivan", state="absent")


@NEW
def test_a_play_says_the_connection_once_and_shows_no_secret(server, machine, tmp_path):
    secrets = {"login": ADMIN, "new": "M4rker%@:/?#[]'\"\\{} $`;Secr3t"}
    tasks = [
        {"mlops.mlflow.mlflow_user": {"name": "judy", "password": "{{ new }}"}, "register": "made", "failed_when": "made is not changed"},
        {"mlops.mlflow.mlflow_user": {"name": "judy", "password": "{{ new }}x"}},
        {
            "mlops.mlflow.mlflow_user": {"name": "judy", "password": "{{ new }}", "login_password": "M4rker wrong"},
            "register": "wrong",
            "failed_when": "wrong is not failed",
        },
        {"mlops.mlflow.mlflow_role": {"name": "judges", "users": ["judy"]}},
        {"mlops.mlflow.mlflow_permission": {"role": "judges", "permissions": [{"type": "workspace", "name": "*", "permission": "USE"}]}},
        {"mlops.mlflow.mlflow_user_info": {}, "register": "found", "failed_when": "found.users | length != 2"},
        {"mlops.mlflow.mlflow_user": {"name": "judy", "state": "absent"}},
        {"mlops.mlflow.mlflow_role": {"name": "judges", "state": "absent"}},
        # As MLflow's client is told.
        {
            "mlops.mlflow.mlflow_workspace_info": {"url": "{{ omit }}", "login_user": "{{ omit }}"},
            "environment": {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_USERNAME": "admin"},
        },
    ]
    defaults = {"group/mlops.mlflow.mlflow_api": {"url": server.url, "login_user": "admin", "login_password": "{{ login }}"}}
    book = [{"hosts": machine.name, "gather_facts": False, "module_defaults": defaults, "tasks": tasks}]
    (tmp_path / "book.yml").write_text(json.dumps(book), encoding="utf-8")
    (tmp_path / "secrets.yml").write_text("".join(f"{name}: !unsafe {json.dumps(value)}\n" for name, value in secrets.items()), encoding="utf-8")
    argv = ["ansible-playbook", "-vvv", "--diff", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], "--extra-vars", f"@{tmp_path / 'secrets.yml'}"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(testbed.PROJECT / "collections"), "ANSIBLE_INJECT_INVOCATION": "True"}
    done = subprocess.run([*argv, tmp_path / "book.yml"], env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "password as given" in said
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in said
    assert not [word for word in ("M4rker", "Secr3t", "first-password") if word in said]
