"""Closes every descriptor of its own and of ours, and opens files, sockets and pipes instead."""

import os
import socket

KEPT = []


def sizes():
    return [os.fstat(each.fileno()).st_size for each in KEPT[:6]]


def heard():
    for each in KEPT[6:]:
        each.setblocking(False)
        try:
            yield repr(each.recv(60))
        except OSError as error:
            yield type(error).__name__


def sockets():
    """Numbers of open sockets that are numbered as the layer's is."""
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number >= 512 and os.readlink(f"/proc/self/fd/{number}").startswith("socket"):
                yield number
        except OSError:
            continue


def handler(event, context):
    if event["do"]:
        found = list(sockets())
        if event["do"] == "close":
            for number in found:
                os.close(number)
        KEPT[:] = [open(f"/tmp/kept{n}", "wb", buffering=0) for n in range(6)]
        KEPT.extend(each for _ in range(3) for each in socket.socketpair())
        for number, source in zip(found, KEPT[6:], strict=False):
            os.dup2(source.fileno(), number)  # the layer only: there is none in bare
            KEPT.append(socket.socket(fileno=number))
    print("a line after it")
    for each in KEPT[:6]:
        each.write(b"DATA")
    return {"sizes": sizes(), "heard": list(heard())[:6]}
