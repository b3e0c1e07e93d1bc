"""Has a __getattr__ of its own."""


def __getattr__(name):
    if name == "absent":
        raise AttributeError("so says the user")
    raise ValueError(f"no {name}")
