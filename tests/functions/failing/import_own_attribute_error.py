"""Fails at import."""


class ColourError(AttributeError):
    """Of the user."""


raise ColourError("no", "such colour")
