"""Fails at import."""


class Stop(BaseException):
    """Not an Exception."""


raise Stop("everything")
