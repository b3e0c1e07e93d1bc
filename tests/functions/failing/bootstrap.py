"""A user may name a module so."""


def fail():
    raise ValueError("in a bootstrap of the user")


def handler(event, context):
    fail()
