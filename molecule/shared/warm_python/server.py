"""Runs programs in forks of a Python that has imported what they need: most of the time of a short program.

Usage: server.py PYTHON MODULE...       PYTHON is the path of client.py, as a script for the Python of the system.
"""

import contextlib
import gc
import importlib
import json
import os
import socket
import sys


def next_call(path):
    """What somebody has called, in a process of its own with its environment, folder and files."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen()
    while True:
        caller, _address = server.accept()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        text, files, _flags, _address = socket.recv_fds(caller, 1 << 18, 3)
        # Programs call others, so one process waits for each.
        if not os.fork():
            child = os.fork()
            if not child:
                break
            _child, status = os.waitpid(child, 0)
            with contextlib.suppress(BrokenPipeError):
                caller.send(b"%d" % (os.waitstatus_to_exitcode(status) & 255))
            os._exit(0)
        caller.close()
        for file in files:
            os.close(file)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    server.close()
    caller.close()
    call = json.loads(text)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    return call["argv"]


def program(argv):
    """The source, and what Python would tell it of its arguments."""
    if argv[:1] == ["-c"]:
        return argv[1], ["-c", *argv[2:]]
    if argv:
        with open(argv[0], encoding="utf-8") as file:
            return file.read(), argv
    return sys.stdin.read(), [""]


for module in sys.argv[2:]:
    importlib.import_module(module)
gc.freeze()
source, sys.argv = program(next_call(f"{sys.argv[1]}.socket"))
exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})
