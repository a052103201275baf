"""What `plugins/module_utils/_mlflow/` relies on of MLflow's inside is as it is said there. Runs with the Python of an MLflow, and needs nothing besides.

Usage: <venv>/bin/python tests/contract/contract.py     Each check uses the real thing: MLflow's own applications, stores on SQLite, its command line.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import importlib.util
import inspect
import json
import os
import re
import ssl
import sys
import tempfile
import threading
import time
import traceback
import types
from datetime import datetime, timedelta, timezone
from io import BytesIO, StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSIDE = ROOT / "plugins/module_utils/_mlflow"
ROLE = ROOT / "roles/mlflow_server"
FOLDER = tempfile.TemporaryDirectory()
WORK = Path(FOLDER.name)
DATABASE = f"sqlite:///{WORK}/mlflow.db"
AUTH_DATABASE = f"sqlite:///{WORK}/login.db?timeout=%31"
# As bad for a configuration file as a password can be.
PASSWORD = "50%d; # [x] = \\'y\""
# Names of a template that are environment variables.
NAMES = re.compile(r"^(?:  '([A-Z][A-Z0-9_]+)': |([A-Z][A-Z0-9_]+)=)", re.MULTILINE)

# As the role has it, before MLflow is loaded.
for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_", "AWS_"))]:
    del os.environ[name]
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_SQLALCHEMYSTORE_POOL_SIZE="7",
    MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW="3",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    MLFLOW_BACKEND_STORE_URI=DATABASE,
    MLFLOW_SERVE_ARTIFACTS="true",
    MLFLOW_ARTIFACTS_DESTINATION=str(WORK),
    AWS_ACCESS_KEY_ID="x",
    AWS_SECRET_ACCESS_KEY="x",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    MLFLOW_AUTH_CONFIG_PATH=str(WORK / "login.ini"),
    MLFLOW_FLASK_SERVER_SECRET_KEY="x" * 40,
)
sys.path[:0] = [str(INSIDE / "server/guard"), str(INSIDE / "server/plugins"), str(INSIDE / "server"), str(INSIDE.parent)]
os.chdir(WORK)

import bounds
import cleanup
import jinja2


def rendered(path, **variables):
    """A template of ours."""
    surroundings = jinja2.Environment(trim_blocks=True)
    surroundings.filters["comment"] = lambda text: f"# {text}"
    return surroundings.from_string(path.read_text()).render(ansible_managed="x", **variables)


# MLflow reads it when its login is loaded.
(WORK / "login.ini").write_text(
    rendered(
        ROLE / "templates/etc/mlflow/basic_auth.ini.j2",
        mlflow_server_admin_username="admin",
        mlflow_server_admin_password=PASSWORD,
        mlflow_server_default_permission="NO_PERMISSIONS",
        mlflow_server_login_cache_seconds=60,
        __mlflow_server_auth_uris=[AUTH_DATABASE],
    )
)

import mlflow
import mlflow.environment_variables
import mlflow.server
import mlflow.server.constants
import mlops_mlflow_guard
import mlops_mlflow_handover
import mlops_mlflow_s3
import serve
import sqlalchemy
from _mlflow import environment, routes, schema, sizes, store_check, stored_secrets
from mlflow.exceptions import MlflowException
from mlflow.server import fastapi_app, handlers


@contextlib.contextmanager
def put(owner, name, value):
    """Another value of an attribute for a moment."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def takes(function, *names):
    found = [name for name in inspect.signature(function).parameters if name != "self"][: len(names)]
    assert found == list(names), f"{function.__qualname__} takes {found}, not {list(names)}"


def flask_routes():
    """The paths of MLflow's Flask application, parameters filled in with "x", and what answers at each."""
    found = {}
    for rule in mlflow.server.app.url_map.iter_rules():
        view = inspect.unwrap(mlflow.server.app.view_functions[rule.endpoint])
        found.setdefault(re.sub(r"<[^>]*>", "x", rule.rule), []).append((rule.methods, view))
    return found


def fastapi_routes():
    """Those of its FastAPI application, without the Flask application in it."""
    included = [route for route in fastapi_app.app.routes if getattr(route, "original_router", None)]
    found = {re.sub(r"{[^}]*}", "x", (part.include_context.prefix or "") + route.path): route for part in included for route in part.original_router.routes}
    assert len(found) > 15, "the routers of this version are to be found in another way"
    return found


def matched(kind, paths):
    return {path for path in paths if re.match(routes.pattern(kind), path)}


def check_schema():
    """`mlflow.store.db.utils` and `mlflow.server.auth.db.utils` make and change the schema, and it is known by its tables."""
    for component, uri in (("tracking", DATABASE), ("auth", f"sqlite:///{WORK}/auth.db"), *([("oidc", f"sqlite:///{WORK}/oidc.db")] if HAS_OIDC else [])):
        engine = sqlalchemy.create_engine(uri)
        schema.bring_to_head(component, engine, empty=True)
        schema.bring_to_head(component, engine, empty=False)
        tables = set(sqlalchemy.inspect(engine).get_table_names())
        assert schema.MARKER_TABLES[component] <= tables
        version_table = next(name for name in schema.VERSION_TABLES[component] if name in tables)
        with engine.connect() as connection:
            revisions = connection.execute(sqlalchemy.text(f"SELECT version_num FROM {version_table}")).scalars().all()
            for kind, (table, statement) in stored_secrets.STORED.items() if component == "tracking" else ():
                assert table in tables
                connection.execute(sqlalchemy.text(statement))
                connection.execute(sqlalchemy.text(stored_secrets.CHANGE[kind] % ("''", "''")))
            for table in tables - {version_table}:
                others = f"NOT ({schema.DEFAULT_ROWS[table]})" if table in schema.DEFAULT_ROWS else "1"
                assert not connection.execute(sqlalchemy.text(f"SELECT 1 FROM {table} WHERE {others}")).all(), table
            for table, column, condition in schema.EXPERIMENT_NUMBERS if component == "tracking" else ():
                connection.execute(sqlalchemy.text(f"SELECT {column} FROM {table} WHERE {condition}"))
            for table, column, key in schema.ARTIFACT_PLACES if component == "tracking" else ():
                # Of 3.17.
                if column != "trace_archival_location" or IS_NEWEST:
                    connection.execute(sqlalchemy.text(f"SELECT {column} FROM {table} WHERE {'key' if key else 1} = 1"))
            for table in schema.ARTIFACT_OWNERS if component == "tracking" else ():
                connection.execute(sqlalchemy.text(f"SELECT experiment_id FROM {table}"))
        migrations = [path.read_text() for path in (Path(mlflow.__file__).parent / schema.MIGRATIONS[component]).glob("*.py")]
        assert len(revisions) == 1
        assert any(re.search(rf"""^revision\b.*["']{revisions[0]}["']""", text, re.MULTILINE) for text in migrations)


def check_moved_rows():
    """Only the migration that we know takes rows away, and those that we know."""
    folder = Path(mlflow.__file__).parent / schema.MIGRATIONS["tracking"]
    takers = {path.name.partition("_")[0] for path in folder.glob("*.py") if re.search(r"\.delete\(|DELETE FROM", path.read_text())}
    assert takers <= {"75868b020152"}, takers
    for name in takers:
        spec = importlib.util.spec_from_file_location(name, next(folder.glob(f"{name}_*.py")))
        migration = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(migration)
        assert {
            "trace_tags": (migration._TRACE_NAME_TAG_KEY,),
            "trace_request_metadata": (migration._TRACE_SESSION_METADATA_KEY, migration._TOKEN_USAGE_METADATA_KEY, migration._COST_METADATA_KEY),
            "trace_metrics": tuple(migration._TOKEN_COLUMNS),
            "span_metrics": tuple(migration._COST_COLUMNS),
        } == schema.MOVED_ROWS


def check_release():
    """What the collection says of the revisions of a version, before that is installed, is what it brings."""
    said = json.loads((ROOT / "roles/mlflow_server/files/locks" / mlflow.__version__ / "release.json").read_text())
    package = os.path.dirname(mlflow.__file__)
    assert said == {"version": mlflow.__version__, **{component: schema.read_migrations(package, component) for component in schema.MIGRATIONS}}


def check_stored_secrets():
    """`mlflow.utils.crypto` wraps keys as we unwrap them, and `cryptography` has its tokens."""
    from cryptography.fernet import Fernet
    from mlflow.utils.crypto import KEKManager, wrap_dek

    keys = {stored_secrets.KEK_PASSPHRASE: "a passphrase of more than 32 characters", stored_secrets.KEK_VERSION: "2"}
    wrapped = wrap_dek(bytes(range(32)), KEKManager(keys[stored_secrets.KEK_PASSPHRASE], 2).get_kek())
    assert stored_secrets.gateway_opener(keys)(wrapped)
    assert not stored_secrets.gateway_opener({**keys, stored_secrets.KEK_PASSPHRASE: "another one of more than 32 characters"})(wrapped)
    key = Fernet.generate_key().decode()
    assert stored_secrets.webhook_opener({stored_secrets.WEBHOOK_KEY: key})(Fernet(key).encrypt(b"x").decode())
    assert stored_secrets.gateway_opener(keys)(stored_secrets.gateway_sealer(keys)(b"a key")) == b"a key"
    webhook = {stored_secrets.WEBHOOK_KEY: key}
    assert stored_secrets.webhook_opener(webhook)(stored_secrets.webhook_sealer(webhook)(b"a secret")) == b"a secret"
    for name in (stored_secrets.KEK_PASSPHRASE, stored_secrets.KEK_VERSION, stored_secrets.WEBHOOK_KEY):
        assert name in environment_names(), name


def check_guard_and_pools():
    """MLflow's registries find the guard by its entry points; stores have as many engines as we count, with pools as we set them."""
    engines = []

    def make(*arguments, **options):
        engines.append(make_engine(*arguments, **options))
        return engines[-1]

    make_engine = sqlalchemy.create_engine
    with put(sqlalchemy, "create_engine", make):
        store = handlers._get_tracking_store(DATABASE, "mlflow-artifacts:/")
        handlers._get_model_registry_store(DATABASE)
    assert len(engines) == sizes.ENGINES, f"{len(engines)} engines"
    assert all((engine.pool.size(), engine.pool._max_overflow) == (7, 3) for engine in engines)
    assert store.create_experiment("allowed", None, [])
    refuses(store.create_experiment, "refused", "file:///etc")
    refuses(store.create_experiment, name="refused", artifact_location="/etc")

    from mlflow.entities import Workspace
    from mlflow.tracking._workspace.registry import _get_workspace_store_registry

    workspaces = _get_workspace_store_registry().get_store(DATABASE)
    assert workspaces.create_workspace.__module__ == mlops_mlflow_guard.__name__
    refuses(workspaces.create_workspace, Workspace(name="refused", default_artifact_root="/etc"))
    refuses(workspaces.update_workspace, Workspace(name="default", default_artifact_root="file:///etc"))


def refuses(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except MlflowException as exc:
        assert "keeps no artifacts in local files" in str(exc), exc
    else:
        raise AssertionError(f"{function.__qualname__} takes local files")


def check_threads():
    """A pool has a connection for each thread that a worker of uvicorn runs, and some more."""

    async def threads():
        import anyio.to_thread

        return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(threads()) < sum(sizes.FASTAPI_POOL.values())


class Started(BaseException):
    """A server would run now."""


def started(arguments, **variables):
    """The command that `serve.py` ends in, and the environment that it passes on."""

    def execute(_program, command):
        raise Started(command, dict(os.environ))

    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with put(os, "execv", execute), put(sys, "argv", ["mlflow", *arguments]), put(mlflow.server, "_exec_cmd", mlflow.server._exec_cmd):
            serve.main()
    except Started as end:
        return end.args
    finally:
        os.environ.clear()
        os.environ.update(before)
    raise AssertionError("no server was started")


def check_serve():
    """`mlflow server` runs the web server by `mlflow.server._exec_cmd`, which `serve.py` takes the place of."""
    expected = {
        ("MLFLOW_UVICORN_OPTS", "--timeout-keep-alive 75"): ["-m", "uvicorn", "--timeout-keep-alive", "75", "bounds:app"],
        ("MLFLOW_GUNICORN_OPTS", "--threads 8"): ["-m", "gunicorn", "--threads", "8", "mlflow.server:app"],
    }
    for (option, value), words in expected.items():
        command, passed = started(
            ["server"], MLFLOW_HOST="127.0.0.1", MLFLOW_PORT="5999", MLFLOW_WORKERS="3", MLFLOW_ARTIFACTS_DESTINATION="s3://bucket", **{option: value}
        )
        assert os.path.basename(command[0]).startswith("python"), command
        assert [word for word in command if word in words] == words, command
        assert "-b" not in command
        workers = next(name for name in ("--workers", "-w") if name in command)
        assert command[command.index(workers) + 1] == "3", command
        # What the S3 plugin and the bounds go by.
        assert passed["_MLFLOW_SERVER_SERVE_ARTIFACTS"] == "true"
        assert passed["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == "s3://bucket"
        if "uvicorn" in words:
            assert command[command.index("--port") + 1] == "5999", command
            assert command[command.index("--app-dir") + 1] == str(INSIDE / "server")


def check_login():
    """MLflow reads our configuration of its login, `mlflow server --app-name` ends in the applications that we know, and the one of FastAPI is bounded."""
    from mlflow.server import auth

    said = auth.auth_config
    assert (said.admin_username, said.admin_password, said.database_uri) == ("admin", PASSWORD, AUTH_DATABASE), said
    assert (said.default_permission, said.auth_cache_ttl_seconds, said.grant_default_workspace_access) == ("NO_PERMISSIONS", 60, False), said
    words = ["server", "--app-name", "basic-auth"]
    command, _passed = started(words, MLFLOW_GUNICORN_OPTS="--threads 8")
    assert command[-1] == "mlflow.server.auth:create_app()", command
    command, passed = started(words, MLFLOW_UVICORN_OPTS="--timeout-keep-alive 75")
    assert command[-4:] == ["--factory", "--app-dir", str(INSIDE / "server"), "bounds:create_app"], command
    os.environ["_MLFLOW_SGI_NAME"] = passed["_MLFLOW_SGI_NAME"]
    app = bounds.create_app()
    assert isinstance(app, bounds.Bounded)
    assert ask(app, "/api/2.0/mlflow/experiments/search")[0] == 401
    # What gunicorn's configuration does away with before it forks.
    assert auth.store.engine.pool.checkedin() > 0
    auth.store.engine.dispose()
    assert auth.store.engine.pool.checkedin() == 0


def check_single_sign_on():
    """mlflow-oidc-auth is in front of all that MLflow has, and what we put there checks names and gives each request a thread."""
    # Two logins in one application would both ask.
    assert not HAS_OIDC or os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-W", "ignore", __file__, "single_sign_on"]) == 0


def single_sign_on():
    os.environ.update(OIDC_USERS_DB_URI=f"sqlite:///{WORK}/oidc.db", OIDC_DISCOVERY_URL="https://sso.example", OIDC_CLIENT_ID="x", OIDC_CLIENT_SECRET="x")
    os.environ.update(MLFLOW_SERVER_ALLOWED_HOSTS="localhost:*")
    command, passed = started(["server", "--app-name", "oidc-auth"], MLFLOW_UVICORN_OPTS="--timeout-keep-alive 75")
    assert command[-3:] == ["--app-dir", str(INSIDE / "server"), "bounds:oidc_app"], command
    os.environ["_MLFLOW_SGI_NAME"] = passed["_MLFLOW_SGI_NAME"]
    app = bounds.oidc_app
    assert isinstance(app, bounds.Bounded)
    assert ask(app, "/health/ready")[0] == 200
    for path in ("/version", "/v1/traces", "/api/2.0/mlflow/experiments/search", "/graphql"):
        assert ask(app, path)[0] == 401, path
    assert ask(app, "/login", host=b"evil.example")[0] == 403
    from mlflow_oidc_auth.store import store

    store.auth_state_repo.create("default", lifetime_seconds=-1)
    lasting = store.auth_state_repo.create("default")
    assert bounds.sweep(store) == 1
    assert store.auth_state_repo.consume(lasting)
    store.create_user("x", "x", is_admin=True)
    _record, token = store.create_user_token("x", "x", datetime.now(timezone.utc) + timedelta(days=1), created_by="x")
    login = (b"authorization", b"Basic " + base64.b64encode(f"x:{token}".encode()))
    met = threading.Barrier(2)

    def wait_for_another():
        met.wait(20)
        return "met"

    async def both():
        return await asyncio.gather(*(answer(app, "/version", login) for _time in range(2)))

    with put(mlflow.server.app, "view_functions", {**mlflow.server.app.view_functions, "version": wait_for_another}):
        assert [body for _status, _headers, body in asyncio.run(both())] == [b"met"] * 2


def serve_artifacts():
    os.environ.update(
        MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:1", _MLFLOW_SERVER_SERVE_ARTIFACTS="true", _MLFLOW_SERVER_ARTIFACT_DESTINATION="s3://bucket/root"
    )


class Repository:
    """A store whose files have to be fetched, as those of S3."""

    def get_local_path(self, _path):
        return None

    def download_artifacts(self, _path, folder):
        path = Path(folder, "file")
        path.write_bytes(bytes(1234))
        return str(path)


def check_bounds():
    """`bounds:app` is MLflow's FastAPI application, and downloads have a length where that application has them."""
    has_router = bool(matched("streamed", fastapi_routes()) & {"/api/2.0/mlflow-artifacts/artifacts/x"})
    assert has_router == (importlib.util.find_spec("mlflow.server.artifact_router") is not None)
    app = bounds.app
    assert isinstance(app, bounds.Bounded)
    assert bounds.TRACES in fastapi_routes()
    assert any(bounds.UPLOADS in path for path in flask_routes())
    serve_artifacts()
    assert bounds.bounded(None)._spooled == (not has_router)
    os.environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] = "gs://bucket"
    assert bounds.bounded(None)._spooled
    serve_artifacts()
    status, headers, _body = ask(app, "/health")
    assert status == 200
    if has_router:
        with put(handlers, "_get_artifact_repo_mlflow_artifacts", Repository):
            status, headers, body = ask(app, "/api/2.0/mlflow-artifacts/artifacts/file")
        assert (status, headers.get(b"content-length"), body) == (200, b"1234", bytes(1234)), (status, headers)


def handler_source(view):
    """What a route of Flask does, also where that is one call of a handler."""
    source = inspect.getsource(view[1])
    called = re.search(r"return (\w+)\(", source)
    return source + (inspect.getsource(getattr(handlers, called[1])) if called and hasattr(handlers, called[1]) else "")


def check_handover():
    """What a web server asks for is signed, by either application, without a byte of it going through MLflow."""
    from werkzeug.test import Client

    serve_artifacts()
    sources = {path: "".join(map(handler_source, views)) for path, views in flask_routes().items() if re.match(routes.pattern("downloads"), path)}
    other = {path for path, source in sources.items() if not re.search(r"_send_artifact\(|artifact_repo\.download_artifacts\(", source)}
    assert len(sources) > 4 and not other, f"they do not send a file as it is: {sorted(other)}"
    path = "/api/2.0/mlflow-artifacts/artifacts/1/a%20b.json.gz"
    # The login of the check before stays with the application.
    login = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    asked = [(mlops_mlflow_handover.HEADER, "yes"), ("Authorization", login)]
    with put(handlers, "_get_artifact_repo_mlflow_artifacts", lambda: mlops_mlflow_s3.StreamingS3ArtifactRepository("s3://bucket/root")):
        client = Client(mlops_mlflow_handover.Wsgi(mlflow.server.app))
        wanted = {("get", "flask"): client.get(path, headers=asked), ("head", "flask"): client.head(path, headers=asked)}
        # It has a body that nobody reads.
        wanted["post", "flask"] = client.post(path, headers=[*asked, ("Content-Length", "99")])
        answers = {key: (answer.status_code, {name.lower(): value for name, value in answer.headers}) for key, answer in wanted.items()}
        if matched("streamed", fastapi_routes()) & {"/api/2.0/mlflow-artifacts/artifacts/x"}:
            app = bounds.app
            for method in ("get", "post"):
                passed = [(name.lower().encode(), value.encode()) for name, value in asked]
                status, headers, body = ask(app, "/api/2.0/mlflow-artifacts/artifacts/1/a b.json.gz", *passed, method=method.upper())
                assert body in (b"", b"{}"), body
                answers[method, "fastapi"] = status, {name.decode(): value.decode() for name, value in headers.items()}
        answer = client.post("/api/2.0/mlflow-artifacts/artifacts/a/..%2f..%2fx", headers=asked)
        assert answer.status_code == 403, (answer.status, answer.text)
        assert client.post(path, headers=asked[1:]).status_code == 405
    for (method, _kind), (status, headers) in answers.items():
        assert status == 200, (method, status)
        assert re.match(r"/bucket/root/1/a%20b\.json\.gz\?.*X-Amz-Signature=[0-9a-f]{64}", headers["x-mlops-address"]), headers
        assert headers.get("x-accel-redirect") == (None if method == "post" else mlops_mlflow_handover.PLACE), (method, headers)
        if method == "post":
            assert (headers["x-mlops-content-type"], headers["x-mlops-content-encoding"]) == ("application/json", "gzip"), headers
        else:
            assert "a b.json.gz" in headers["content-disposition"], headers
    assert mlops_mlflow_handover.ORDER.get() is None


def check_downloads():
    """A download comes from the store as it is sent, by either application, as a file of that name, and a missing one is said."""
    from botocore.exceptions import ClientError
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
    from werkzeug.test import Client

    class Store:
        def get_object(self, Bucket, Key):
            if Key.endswith("missing"):
                raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
            assert (Bucket, Key) == ("bucket", "root/1/a b.png"), Key
            return {"Body": BytesIO(content), "ContentLength": len(content)}

    content = bytes(range(256)) * 9999
    sent = {path for path in flask_routes() | fastapi_routes() if mlops_mlflow_handover.SENT.search(path)}
    assert len(sent) > 3 and all(re.match(routes.pattern("downloads"), path) for path in sent), sent
    serve_artifacts()
    login = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    place = "/api/2.0/mlflow-artifacts/artifacts/1/"
    repository = mlops_mlflow_s3.StreamingS3ArtifactRepository("s3://bucket/root")
    with (
        put(handlers, "_get_artifact_repo_mlflow_artifacts", lambda: repository),
        put(S3ArtifactRepository, "_get_s3_client", lambda _self: Store()),
        tempfile.TemporaryDirectory() as folder,
        put(tempfile, "tempdir", folder),
    ):
        client = Client(mlops_mlflow_handover.Wsgi(mlflow.server.app))
        flask = [client.get(place + name, headers=[("Authorization", login)]) for name in ("a%20b.png", "missing")]
        answers = [(answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data) for answer in flask]
        if matched("streamed", fastapi_routes()) & {"/api/2.0/mlflow-artifacts/artifacts/x"}:
            for name in ("a b.png", "missing"):
                status, headers, body = ask(bounds.app, place + name, (b"authorization", login.encode()))
                answers.append((status, {name.decode(): value.decode() for name, value in headers.items()}, body))
        # As MLflow < 3.15 asks for files of runs.
        token = mlops_mlflow_handover.ORDER.set(mlops_mlflow_handover.Stream("GET"))
        assert Path(repository.download_artifacts("1/a b.png")).name == "a b.png"
        mlops_mlflow_handover.ORDER.reset(token)
        # MLflow < 3.15 leaves it to Python to remove the folder of a file that is missing.
        gc.collect()
        assert not list(Path(folder).iterdir()), list(Path(folder).iterdir())
    for status, headers, body in answers[::2]:
        assert (status, headers["content-length"], headers["content-type"], body) == (200, str(len(content)), "image/png", content), (status, headers)
        assert not headers.keys() & {"accept-ranges", "etag", "last-modified"}, headers
        assert "a b.png" in headers["content-disposition"], headers
    for status, _headers, body in answers[1::2]:
        assert (status, b"RESOURCE_DOES_NOT_EXIST" in body) == (404, True), (status, body)


def check_public_url():
    """What clients get is signed for their address of the store, and what the server asks itself is not."""
    repository = mlops_mlflow_s3.StreamingS3ArtifactRepository("s3://bucket/root")
    with put(mlops_mlflow_s3, "PUBLIC_URL", "https://store.example.org"):
        client = repository._get_s3_client()
        assert client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "x"}).startswith("https://store.example.org/bucket/x?")
        assert client.meta.endpoint_url == "http://127.0.0.1:1"
        source = inspect.getsource(type(repository).get_download_presigned_url) + inspect.getsource(type(repository).create_multipart_upload)
        assert source.count("s3_client = self._get_s3_client()") == source.count("s3_client.generate_presigned_url(") == 2


def ask(app, path, *headers, host=b"localhost:5000", method="GET"):
    """What an ASGI application answers to a request without a body."""
    return asyncio.run(answer(app, path, *headers, host=host, method=method))


async def answer(app, path, *headers, host=b"localhost:5000", method="GET"):
    sent = []

    messages = [{"type": "http.request", "body": b""}]

    async def receive():
        if not messages:
            await asyncio.sleep(60)
        return messages.pop()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "root_path": "", "headers": [(b"host", host), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 5000)}
    await app({**scope, "state": {}}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


def check_s3():
    """MLflow finds the repository by its entry point, and boto3 has what that is built of."""
    from boto3.s3.transfer import TransferConfig
    from mlflow.store.artifact import artifact_repo
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    # An abstract method that is missing would be an error here.
    repository = get_artifact_repository("s3://bucket/root")
    assert isinstance(repository, mlops_mlflow_s3.StreamingS3ArtifactRepository)
    takes(S3ArtifactRepository._download_file, "remote_file_path", "local_path")
    takes(S3ArtifactRepository._is_directory, "artifact_path")
    called = {}
    recorder = types.SimpleNamespace(upload_file=lambda **options: called.update(options))
    repository._upload_file(recorder, "a.txt", "bucket", "root/a.txt")
    assert called.pop("ExtraArgs")
    assert called == {"Filename": "a.txt", "Bucket": "bucket", "Key": "root/a.txt"}, called
    assert repository.parse_s3_compliant_uri("s3://bucket/root") == ("bucket", "root")
    upload = mlops_mlflow_s3.Multipart(repository._get_s3_client())
    for method in ("create_multipart_upload", "upload_part", "complete_multipart_upload", "abort_multipart_upload"):
        assert {"Bucket", "Key"} <= upload._members(method).keys()
    assert "ETag" in upload._members("complete_multipart_upload")["MultipartUpload"].members["Parts"].member.members
    assert upload._client.meta.config.request_checksum_calculation in ("when_supported", "when_required")
    assert hasattr(TransferConfig(), "max_in_memory_upload_chunks")
    if importlib.util.find_spec("mlflow.server.artifact_router"):
        router = inspect.getsource(sys.modules["mlflow.server.artifact_router"])
        takes(artifact_repo.StreamUploadMixin.log_artifact_from_stream, "stream", "artifact_file_name", "artifact_path")
        takes(artifact_repo.StreamUploadMixin.log_artifact_from_async_stream, "chunks", "artifact_file_name", "artifact_path")
        assert "log_artifact_from_async_stream" in router
    else:
        assert not hasattr(artifact_repo, "StreamUploadMixin")


def check_store_settings():
    """What asks a store before the server does goes where MLflow goes, in the same way."""
    from mlflow.store.artifact import s3_artifact_repo

    before = dict(os.environ)
    os.environ.update(MLFLOW_S3_ENDPOINT_URL="https://s3.example.com:9000", MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE="virtual", AWS_DEFAULT_REGION="eu-west-9")
    try:
        ours, theirs = store_check.S3("s3://bucket/a/b", "name").client, s3_artifact_repo._get_s3_client()
    finally:
        os.environ.clear()
        os.environ.update(before)
    for client in (ours, theirs):
        assert (client.meta.endpoint_url, client.meta.region_name) == ("https://s3.example.com:9000", "eu-west-9")
        assert (client.meta.config.signature_version, client.meta.config.s3["addressing_style"]) == ("s3v4", "virtual")
    text = inspect.getsource(s3_artifact_repo) + inspect.getsource(mlflow.environment_variables)
    assert all(name in text for name in ("MLFLOW_S3_IGNORE_TLS", "MLFLOW_S3_UPLOAD_EXTRA_ARGS"))
    text = inspect.getsource(importlib.import_module("mlflow.store.artifact.azure_blob_artifact_repo"))
    assert text.index('"AZURE_STORAGE_CONNECTION_STRING" in') < text.index('"AZURE_STORAGE_ACCESS_KEY" in') < text.index("credential=DefaultAzureCredential()")
    assert "create_anonymous_client()" in inspect.getsource(importlib.import_module("mlflow.store.artifact.gcs_artifact_repo"))


def check_gunicorn():
    """The lines of the role's configuration are such as gunicorn knows, and Flask's login is where they look for it."""
    import gunicorn.http.message
    from gunicorn.config import Config, LimitRequestLine

    text = rendered(
        INSIDE / "server/gunicorn.conf.py.j2", mlflow_server_host="::1", mlflow_server_port=5000, mlflow_server_threads=8, mlflow_server_worker_timeout=300
    )
    lowest = gunicorn.http.message.MAX_REQUEST_LINE
    found = {}
    with put(importlib.util, "find_spec", lambda _name: None), put(sys, "modules", dict(sys.modules)):
        exec(compile(text, "gunicorn.conf.py", "exec"), found)
        assert sys.modules["mlflow.server.auth"] is None
    config = Config()
    for name in config.settings.keys() & found.keys():
        config.set(name, found[name])
    assert config.bind == ["[::1]:5000"]
    assert (config.limit_request_line, config.limit_request_field_size, config.threads) == (32768, 32768, 8)
    assert gunicorn.http.message.MAX_REQUEST_LINE == 32768 > lowest >= LimitRequestLine.default
    assert {"control_socket_disable", "preload_app", "when_ready", "post_fork", "post_worker_init", "keepalive"} <= config.settings.keys()
    assert "from mlflow.server import auth" in inspect.getsource(handlers)


def check_fastapi_paths():
    """The list for the second server is what FastAPI answers, and no more."""
    fastapi, flask = fastapi_routes(), flask_routes()
    listed = matched("fastapi", fastapi)
    # Both say the same there.
    unlisted = fastapi.keys() - listed - {"/health"}
    assert not unlisted, f"FastAPI answers, and no list has {sorted(unlisted)}"
    # An older FastAPI application hands on what it does not know.
    ours = {re.sub("^/ajax-api/", "/api/", path) for path in matched("fastapi", flask)}
    known = {"/api/2.0/mlflow-artifacts/artifacts/x", "/api/3.0/mlflow/server-info"}
    assert ours <= known, f"the list takes from Flask {sorted(ours - known)}"
    if IS_NEWEST:
        idle = [path for path in routes.FASTAPI if not any(re.match(path, route) for route in fastapi)]
        assert not idle, f"FastAPI answers nothing at {idle}"


def check_proxied_paths():
    """What nginx streams, buffers and bounds is what MLflow's functions do, by their sources and names."""
    fastapi, flask = fastapi_routes(), flask_routes()
    for kind in ("streamed", "buffered", "small"):
        idle = [path for path in routes.PATHS[kind] if not any(re.match(path, route) for route in [*fastapi, *flask])]
        assert not idle, f"there is nothing at {idle} ({kind})"
    streams = {path for path, route in fastapi.items() if re.search(r"StreamingResponse\(|request\.stream\(", inspect.getsource(route.endpoint))}
    streams |= {path for path in flask if bounds.UPLOADS in path}
    assert streams <= matched("streamed", streams), f"streamed, and in no list: {sorted(streams - matched('streamed', streams))}"
    files = {path for path, views in flask.items() for _methods, view in views if view.__module__ == "mlflow.server" and is_file(view.__name__)}
    assert files == matched("buffered", flask), f"files, or buffered, and not both: {sorted(files ^ matched('buffered', flask))}"
    small = matched("small", flask)
    # A body of these says what is asked for.
    asks = {
        path
        for path, views in flask.items()
        for methods, view in views
        if "POST" in methods and re.match(r"_?(?:serve_)?(?:search|get|list|batch_get|query|calculate|delete|restore|graphql)", view.__name__)
    }
    # Ended with MLflow 2, or with a body of files.
    asks -= matched("buffered", flask)
    assert asks <= small, f"only ask, and in no list: {sorted(asks - small)}"
    writes = {path for path in small for _methods, view in flask[path] if re.match(r"_?(?:serve_)?(?:create|log|register|upload|upsert)", view.__name__)}
    assert not writes, f"bounded, but they store something: {sorted(writes)}"


def is_file(name):
    return "artifact" in name or "gateway_proxy" in name


def environment_names():
    variables = vars(mlflow.environment_variables).values()
    from mlflow.cli import server

    options = {name for option in server.params for name in ([option.envvar] if isinstance(option.envvar, str) else option.envvar or [])}
    constants = {value for name, value in vars(mlflow.server.constants).items() if name.endswith("_ENV_VAR")}
    return options | constants | {variable.name for variable in variables if isinstance(variable, mlflow.environment_variables._EnvironmentVariable)}


def check_environment():
    """Each variable that the role sets is one of MLflow, or of a library that knows it."""
    import uvicorn.config
    from botocore import configprovider, credentials

    sources = {
        "AWS_": inspect.getsource(configprovider) + inspect.getsource(credentials) + inspect.getsource(importlib.import_module("botocore.utils")),
        "FORWARDED_ALLOW_IPS": inspect.getsource(uvicorn.config),
        "SERVE_": inspect.getsource(serve),
        "MLOPS_": inspect.getsource(mlops_mlflow_s3),
        "AZURE_": inspect.getsource(importlib.import_module("mlflow.store.artifact.azure_blob_artifact_repo")),
        "GOOGLE_": inspect.getsource(importlib.import_module("google.auth.environment_vars")),
    }
    outside = {"HOME", "MALLOC_ARENA_MAX", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED", "TMPDIR"}
    templates = [path for path in ROLE.glob("templates/**/*.j2") if path.name.startswith("mlflow.")]
    names = {one or other for path in templates for one, other in NAMES.findall(path.read_text())}
    assert len(names) > 35, f"only {len(names)} names found"
    known = environment_names()
    if HAS_OIDC:
        text = inspect.getsource(importlib.import_module("mlflow_oidc_auth.config")) + ssl.get_default_verify_paths().openssl_cafile_env
        unknown = [name for name in environment.FROM_OIDC_VARIABLES if name not in text]
        assert not unknown, unknown
    for name in sorted(names - outside - environment.FROM_OIDC_VARIABLES.keys()):
        source = next((text for start, text in sources.items() if name.startswith(start)), None)
        assert name in source if source else name in known, f"{name} is no variable of this version"
    parts = (environment.FROM_VARIABLES, environment.FROM_S3_VARIABLES, environment.FROM_OIDC_VARIABLES)
    missing = {name for part in (*parts, environment.FROM_AZURE_VARIABLES, environment.FROM_GCS_VARIABLES) for name in part} - names
    assert not missing, f"the templates do not set {sorted(missing)}"


def check_allowed_hosts():
    """MLflow compares the whole Host header with patterns."""
    from mlflow.server.security_utils import is_allowed_host_header

    allowed = environment.allowed_hosts(["mlflow.example.org"])
    for host in ("mlflow.example.org", "mlflow.example.org:8443", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"):
        assert is_allowed_host_header(allowed, host), host
    assert not is_allowed_host_header(allowed, "evil.example.org")


def check_cleanup():
    """`mlflow gc` deletes by methods of the store and by repositories of artifacts, which `cleanup.py` puts others in the place of."""
    from mlflow import cli
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = WORK / "cleanup"
    folder.mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
    experiments = {name: store.create_experiment(name) for name in ("kept", "gone")}
    runs = {}
    for name in ("kept", "gone"):
        run = store.create_run(experiments["kept"], "somebody", 1, [], name)
        runs[name] = run.info.run_id, Path(f"{folder}/{run.info.artifact_uri.removeprefix('mlflow-artifacts:/')}/file")
        runs[name][1].parent.mkdir(parents=True)
        runs[name][1].touch()
    model = store.create_logged_model(experiments["kept"], name="gone")
    store.delete_logged_model(model.model_id)
    store.delete_run(runs["gone"][0])
    store.delete_experiment(experiments["gone"])
    names = {runs["gone"][0], model.model_id, experiments["gone"]}

    def run(*options):
        said = StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(said))
            for name in ("_get_store", "get_artifact_repository"):
                stack.enter_context(put(cli, name, getattr(cli, name)))
            stack.enter_context(put(sys, "argv", ["cleanup.py", *options]))
            stack.enter_context(put(os, "environ", {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_ARTIFACTS_DESTINATION": str(folder)}))
            cleanup.main()
        return said.getvalue()

    assert run("30") == ""
    time.sleep(0.01)
    assert set(re.findall(r"ID (\S+) would be deleted", run("0", "--dry-run"))) == names
    assert runs["gone"][1].exists() and store.get_run(runs["gone"][0]).info.lifecycle_stage == "deleted"
    assert set(re.findall(r"ID (\S+) has been permanently deleted", run("0"))) == names
    assert not runs["gone"][1].exists() and runs["kept"][1].exists()
    assert store.get_run(runs["kept"][0]).info.lifecycle_stage == "active"
    try:
        store.get_run(runs["gone"][0])
    except MlflowException as exc:
        assert "not found" in str(exc), exc
    else:
        raise AssertionError("the run is still there")


LOCKS = sorted((path.parent.name for path in ROLE.glob("files/locks/*/server.txt")), key=lambda name: [int(part) for part in re.findall("[0-9]+", name)])
HAS_OIDC = importlib.util.find_spec("mlflow_oidc_auth") is not None
IS_NEWEST = mlflow.__version__ == LOCKS[-1]


def main():
    if sys.argv[1:]:
        globals()[sys.argv[1]]()
        return 0
    failed = 0
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
            except Exception:
                failed += 1
                print(f"MLflow {mlflow.__version__}: {name} FAILED: {check.__doc__}\n{traceback.format_exc()}")
            else:
                print(f"MLflow {mlflow.__version__}: {name}: ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
