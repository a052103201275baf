# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import http.server
import json
import os
import threading
import time

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_service as service

PROOF = {"units": [{"name": "mlflow.service", "socket": None, "host": "127.0.0.1", "port": 5000}], "version": "3.17.2", "tls": None, "login_file": None}
PROOF["single_sign_on"] = False


def test_what_is_secret_of_an_environment(tmp_path):
    environment = tmp_path / "mlflow.env"
    environment.write_text(
        "# PASSWORD=of-no-line\n"
        'MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://user:p%40ss%2Fword@db/mlflow?x=@y"\n'
        'AWS_SECRET_ACCESS_KEY="quote\\"back\\\\slash"\n'
        'ENDING_KEY="at its end\\""\n'
        'MLFLOW_HOST="127.0.0.1"\n'
        'AWS_ACCESS_KEY_ID="mlflow-key"\n'
        'SHORT_TOKEN="abc"\n'
    )
    found = service.secret_values([str(environment), str(tmp_path / "none")])
    assert {"p%40ss%2Fword", "p@ss/word", 'quote"back\\slash', 'quote\\"back\\\\slash', "quote%22back%5Cslash", 'at its end"'} <= found
    assert not [value for value in found if value in "# PASSWORD=of-no-line 127.0.0.1 abc user db mlflow-key x=@y"]


def test_kept_files_come_back_as_they_were(tmp_path):
    folder, file, link, new = (tmp_path / name for name in ("folder", "file", "link", "new"))
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "code.py").write_text("old")
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("venvs/1")
    kept = service.KeptFiles(str(tmp_path / "kept.tar"), [str(path) for path in (folder, file, link, new)])
    assert not kept.exists()
    kept.keep(PROOF)
    assert (tmp_path / "kept.tar").stat().st_mode & 0o777 == 0o600
    assert kept.read()[0] == PROOF
    assert not kept.differ()

    (folder / "below" / "code.py").write_text("new")
    (folder / "more").mkdir()
    (folder / "more" / "code.py").write_text("new")
    file.unlink()
    link.unlink()
    link.symlink_to("venvs/2")
    new.write_text("new")
    assert kept.differ()
    before = time.time() - 1
    kept.put_back()
    assert not kept.differ()
    assert (folder / "below" / "code.py").read_text() == "old"
    assert sorted(os.listdir(folder)) == ["below"]
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("old", 0o640)
    # As new files have it, so that a server which runs with others counts as outdated.
    assert file.stat().st_mtime >= before
    assert os.readlink(link) == "venvs/1"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "kept.tar", "link"]


def test_an_archive_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    kept = service.KeptFiles(str(tmp_path / "kept.tar"), [str(tmp_path / "file")])
    kept.keep(PROOF)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.os, "fchmod", full)
    with pytest.raises(OSError, match="No space"):
        kept.keep({**PROOF, "version": "4"})
    assert kept.read()[0] == PROOF
    assert sorted(os.listdir(tmp_path)) == ["file", "kept.tar"]


@pytest.mark.parametrize(
    ("state", "dead"),
    [
        (("active", "running", "0"), False),
        (("activating", "start", "0"), False),
        (("activating", "auto-restart", "0"), True),
        (("activating", "auto-restart-queued", "0"), True),
        (("active", "running", "1"), True),
        (("failed", "failed", "0"), True),
        (("inactive", "dead", "0"), True),
    ],
)
def test_which_units_are_dead(state, dead):
    assert service.is_dead(dict(zip(("ActiveState", "SubState", "NRestarts"), state)), "0") == dead


@pytest.fixture
def answers():
    """A server: what it answers to which path."""
    found = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = found[self.path.partition("?")[0]] if self.headers["Authorization"] == found.get("login") else (401, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found["port"] = server.server_port
    yield found
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("search", "version", "trouble"),
    [
        ((200, b"{}"), (200, b"3.17.2\n"), None),
        ((200, b"{}"), (200, b"3.12.0"), "is MLflow 3.12.0, not 3.17.2"),
        ((500, b"no database"), (200, b"3.17.2"), "answers 500 to /api/2.0/mlflow/experiments/search?max_results=1: no database"),
    ],
)
def test_what_a_server_is_asked(answers, search, version, trouble):
    answers.update({"/api/2.0/mlflow/experiments/search": search, "/version": version})
    assert service.ask(service.Unit("mlflow.service", None, "127.0.0.1", answers["port"]), service.Access(), "3.17.2", 5) == trouble


def test_a_server_with_a_login_is_asked_by_its_administrator(answers, tmp_path):
    answers.update({"/api/2.0/mlflow/experiments/search": (200, b"{}"), "/version": (200, b"3.17.2")})
    answers["login"] = "Basic " + base64.b64encode(b"admin:50 %: [a]").decode()
    unit, file = service.Unit("mlflow.service", None, "127.0.0.1", answers["port"]), tmp_path / "login.ini"
    access = service.Access(login_file=str(file))
    file.write_text("[mlflow]\nadmin_username = admin\nadmin_password = 50 %%: [a]\ndatabase_uri = postgresql+psycopg2://m:pass%%25word@h/d\n")
    assert service.ask(unit, access, "3.17.2", 5) is None
    assert {"50 %: [a]", "pass%25word", "pass%word"} <= service.secret_values([], str(file))
    file.write_text("[mlflow]\nadmin_username = admin\nadmin_password = another\n")
    assert service.ask(unit, access, "3.17.2", 5).startswith(f"does not take the login of the administrator that {file} names")
    file.unlink()
    assert service.ask(unit, access, "3.17.2", 5).startswith("does not take the login")
    assert service.ask(unit, service.Access(), "3.17.2", 5).startswith("answers 401 to ")


@pytest.mark.parametrize(
    ("ready", "search", "trouble"),
    [
        ((200, b"{}"), (401, b"x"), None),
        ((503, b"no database"), (401, b"x"), "answers 503 to /health/ready: no database"),
        ((200, b"{}"), (200, b"all"), "answers 200 to /api/2.0/mlflow/experiments/search?max_results=1: all"),
    ],
)
def test_a_server_with_single_sign_on_is_ready_and_closed(answers, ready, search, trouble):
    answers.update({"/health/ready": ready, "/api/2.0/mlflow/experiments/search": search})
    access = service.Access(login_file="/nonexistent/mlflow.basic_auth.ini", single_sign_on=True)
    assert service.ask(service.Unit("mlflow.service", None, "127.0.0.1", answers["port"]), access, "3.17.2", 5) == trouble


def test_nobody_answers_at_a_socket(tmp_path):
    assert service.ask(service.Unit("mlflow.service", str(tmp_path / "none"), "", 0), service.Access(), None, 5).startswith("does not answer: ")


class Systemd:
    """Answers the commands of a service whose unit is in the given state, and whose journal has the given lines."""

    def __init__(self, lines, **state):
        self.lines = lines
        self.commands = []
        self.state = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "NRestarts": "0", "Result": "success"}
        self.state.update(state)

    def __call__(self, command):
        self.commands.append(command)
        if command[:2] == ["systemctl", "show"]:
            return 0, "".join(f"{name}={value}\n" for name, value in self.state.items()), ""
        if command[0] == "journalctl" and "--show-cursor" in command:
            return 0, "-- cursor: s=1;i=2\n", ""
        if command[0] == "journalctl":
            return 0, "\n".join(self.lines) if "_SYSTEMD_UNIT=mlflow.service" in command and "--after-cursor=s=1;i=2" in command else "", ""
        return 0, "", ""

    def words(self, program, verb):
        return [command[2:] for command in self.commands if command[:2] == [program, verb]]


def proof_at(port):
    return {**PROOF, "units": [{**PROOF["units"][0], "port": port}]}


def test_no_wait_for_a_server_that_has_ended(answers):
    """Nobody answers at that port, and the limit is far away."""
    systemd = Systemd([f"line {number}" for number in range(30)], ActiveState="activating", SubState="auto-restart", Result="exit-code")
    start = time.monotonic()
    with pytest.raises(service.ServiceError) as failure:
        service.Service(systemd, proof_at(1), 60).restart_and_prove(["mlflow.service"])
    assert time.monotonic() < start + 10
    first, *rest = str(failure.value).splitlines()
    assert first == "mlflow.service has ended (systemd: activating, exit-code)"
    assert rest == ["The last lines of mlflow.service:", *[f"line {number}" for number in range(10, 30)]]
    assert systemd.words("systemctl", "restart") == [["mlflow.service"]]


def test_the_lines_are_those_of_the_unit_that_has_ended(tmp_path):
    """The second one has, while the first is asked."""

    class Units(Systemd):
        def __call__(self, command):
            status, out, err = super().__call__(command)
            if "mlflow-fastapi.service" in command and command[:2] == ["systemctl", "show"]:
                return status, out + "\n" + out.replace("ActiveState=active", "ActiveState=failed"), err
            return status, "why" if "_SYSTEMD_UNIT=mlflow-fastapi.service" in command else out, err

    units = [{**PROOF["units"][0], "name": name, "socket": str(tmp_path / "none")} for name in ("mlflow.service", "mlflow-fastapi.service")]
    with pytest.raises(service.ServiceError) as failure:
        service.Service(Units(["of the first"]), {**PROOF, "units": units}, 60).restart_and_prove(["mlflow.service"])
    assert str(failure.value).splitlines() == [
        "mlflow-fastapi.service has ended (systemd: failed, success)",
        "The last lines of mlflow-fastapi.service:",
        "why",
    ]


def test_no_wait_for_workers_that_end_again_and_again():
    systemd = Systemd(["INFO: Child process [7] died"] * 4)
    with pytest.raises(service.ServiceError, match=r"the workers of .* end as soon as they are started"):
        service.Service(systemd, proof_at(1), 60).restart_and_prove([])


def test_the_wait_for_a_server_that_lives_has_an_end():
    with pytest.raises(service.ServiceError, match=r"mlflow.service does not answer: .* \(after 1 seconds\)"):
        service.Service(Systemd([]), proof_at(1), 1).restart_and_prove([])


def test_a_server_that_serves(answers):
    answers.update({"/api/2.0/mlflow/experiments/search": (200, b"{}"), "/version": (200, b"3.17.2")})
    service.Service(Systemd([]), proof_at(answers["port"]), 5).restart_and_prove(["mlflow.service"])


@pytest.mark.parametrize(("active", "expected"), [("active", True), ("activating", True), ("inactive", False), ("failed", False)])
def test_a_server_that_is_stopped_comes_back(active, expected):
    class Units(Systemd):
        """The timer is not there."""

        def __call__(self, command):
            self.state["ActiveState"] = "inactive" if "mlflow-resume.timer" in command else active
            return super().__call__(command)

    systemd = Units([])
    stopped = service.Service(systemd, PROOF, 1)
    assert stopped.stop(60, check_mode=True) == expected
    assert not [command for command in systemd.commands if command[:2] != ["systemctl", "show"]]
    assert stopped.stop(60) == expected
    armed = [command for command in systemd.commands if command[0] == "systemd-run"]
    assert len(armed) == expected
    assert systemd.words("systemctl", "stop") == ([["mlflow.service"]] if expected else [])
    if expected:
        assert {"--unit=mlflow-resume", "--on-active=60"} <= set(armed[0])
        assert armed[0][-3:] == ["systemctl", "start", "mlflow.service"]
        # Before the stop: a run may end between the two.
        assert systemd.commands.index(armed[0]) < systemd.commands.index(["systemctl", "stop", "mlflow.service"])


def test_a_timer_of_a_lost_run_starts_nothing_while_the_schema_changes():
    class Units(Systemd):
        def __call__(self, command):
            self.state["ActiveState"] = "active" if "mlflow-resume.timer" in command else "inactive"
            return super().__call__(command)

    systemd = Units([])
    assert service.Service(systemd, PROOF, 1).stop(60)
    assert systemd.words("systemctl", "stop")[0] == ["mlflow-resume.timer"]


def test_the_kept_proof_is_all_that_a_service_needs(tmp_path):
    kept = service.KeptFiles(str(tmp_path / "kept.tar"), [])
    kept.keep(service.Service(Systemd([]), {**PROOF, "state": "started"}, 1).proof)
    assert kept.read()[0] == json.loads(json.dumps(PROOF))
