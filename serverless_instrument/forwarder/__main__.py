"""Start of the forwarder: ``python -I -S FILE``; short, as a script is compiled at each start."""

import sys

if __name__ == "__main__":
    here = __file__.rpartition("/")[0]
    # -I and -S leave site-packages and the working directory out: the package root goes in by hand.
    sys.path.insert(0, here[: -len("/serverless_instrument/forwarder")] or "/")
    made: "dict[str, object]" = {}
    try:
        from serverless_instrument.forwarder import start

        start.run(made)
    except Exception as error:  # an exit would take the function's environment with it
        sys.path.append(here)
        import bare_next  # type: ignore[import-not-found] # by its file, as its package may be broken

        bare_next.serve(error, made)
