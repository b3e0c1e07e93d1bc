"""Fails in a package."""


def handler(event, context):
    raise ValueError("in a package")
