"""Fails in a directory."""


def handler(event, context):
    raise ValueError("in a directory")
