"""Fails at import."""


def fail():
    raise ValueError("at import")


fail()
