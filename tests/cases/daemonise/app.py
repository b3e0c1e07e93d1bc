"""Makes a daemon, as programs do: two forks, all descriptors closed, others opened."""

import os
import socket


def daemon(result):
    os.setsid()
    if os.fork():
        os._exit(0)
    limit = 4096
    for number in (*range(3, result), *range(result + 1, limit)):
        try:
            os.close(number)
        except OSError:
            pass
    files = [open(f"/tmp/daemon{n}", "wb", buffering=0) for n in range(3)]
    pairs = [each for _ in range(300) for each in socket.socketpair()]
    print("the daemon runs")
    for each in files:
        each.write(b"DATA")
    heard = []
    for each in pairs:
        each.setblocking(False)
        try:
            heard.append(each.recv(60))
        except OSError:
            pass
    sizes = [os.path.getsize(each.name) for each in files]
    os.write(result, repr((sizes, heard)).encode())
    os._exit(0)


def handler(event, context):
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            daemon(there)
        finally:
            os._exit(1)
    os.close(there)
    os.waitpid(child, 0)
    found = b""
    while data := os.read(here, 4096):
        found += data
    os.close(here)
    return found.decode()
