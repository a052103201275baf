"""Listens on the address and port it is given, until it is ended."""

import signal
import socket
import sys

address, port = sys.argv[1:]
ipv6 = ":" in address
server = socket.create_server((address, int(port)), family=socket.AF_INET6 if ipv6 else socket.AF_INET, dualstack_ipv6=ipv6)
signal.pause()
