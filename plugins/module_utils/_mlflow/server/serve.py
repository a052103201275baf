"""Runs `mlflow server` so that the web server takes the place of the command, which else stays as a parent process of 200 MB without a task.

Arguments: those of the `mlflow` command. With SERVE_SOCKET in the environment, the server listens on that Unix socket, which systemd keeps over a restart:
clients that connect meanwhile wait for the next server instead of being refused.
"""

import os
import socket
import sys

# The first that systemd passes.
LISTENER = 3
# The applications for uvicorn: MLflow's without and with its login, and the one of single sign-on. And what is put in front of them.
BOUNDED = {
    "mlflow.server.fastapi_app:app": "bounds:app",
    "mlflow.server.auth:create_app": "bounds:create_app",
    "mlflow_oidc_auth.app:app": "bounds:oidc_app",
}


def notify(message, handles=()):
    """Tell systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        socket.send_fds(client, [message.encode()], list(handles))


def is_kept(path):
    """Whether systemd has passed the socket of the server before."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not os.path.exists(path):
        return False
    return socket.socket(fileno=os.dup(LISTENER)).getsockname() == path


def listen(path):
    """A new socket, in the place of what a server has left that was killed."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    # Its folder says who may connect.
    mask = os.umask(0o111)
    listener.bind(path)
    os.umask(mask)
    listener.listen(2048)
    notify("FDSTOREREMOVE=1\nFDNAME=listener")
    notify("FDSTORE=1\nFDNAME=listener", [listener.fileno()])
    return listener.detach()


def take_place(command, extra_env=None, **_options):
    os.environ.update(extra_env or {})
    # MLflow binds gunicorn to a TCP port in any case; its configuration file knows better.
    if "gunicorn" in command and "-b" in command:
        start = command.index("-b")
        del command[start : start + 2]
    if command[-1] in BOUNDED:
        command[-1:] = ["--app-dir", os.path.dirname(os.path.abspath(__file__)), BOUNDED[command[-1]]]
    path = os.environ.get("SERVE_SOCKET")
    if path and not is_kept(path):
        os.dup2(listen(path), LISTENER)
        # gunicorn asks for it by these.
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    if path:
        os.set_inheritable(LISTENER, True)
    os.execv(command[0], command)


def main():
    import mlflow.server
    from mlflow.cli import cli

    mlflow.server._exec_cmd = take_place
    # mlflow-oidc-auth has a name of its own for it, and makes one for each worker where it finds none.
    if key := os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY"):
        os.environ.setdefault("SECRET_KEY", key)
    sys.argv[0] = "mlflow"
    cli()


if __name__ == "__main__":
    main()
