"""In place of a Python whose libraries take long to import: server.py beside it, which has them, runs what this one is called with."""

import json
import os
import socket
import sys

if {"LD_PRELOAD", "PYTHONPATH"} & os.environ.keys():
    # What changes a Python from its start on is for a new one.
    real = os.readlink(f"{sys.argv[0]}.real")
    os.execv(real, [real, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect(f"{sys.argv[0]}.socket")
    call = {"argv": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(server, [json.dumps(call).encode()], [0, 1, 2])
    sys.exit(int(server.recv(16)))
