"""Stands beside files that are named like modules of the standard library's and ours."""

import sys

STANDARD = ("base64", "fcntl", "inspect", "select", "struct")


def handler(event, context):
    print("a line")
    return sorted(name for name in STANDARD if name in sys.modules)
