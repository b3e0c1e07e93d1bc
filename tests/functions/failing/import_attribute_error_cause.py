"""Fails at import."""


class ColourError(AttributeError):
    """Of the user."""

    def __str__(self):
        return "in its own words"


try:
    raise KeyError("tea")
except KeyError as error:
    raise ColourError from error
