"""Start of the forwarder: ``python -I -S <this file>``.

Lambda starts the runtime only after every external extension has registered
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html), so what stands before
the register call is cold start: listen, so that the runtime can always connect, register, and only
then import the rest, while the runtime starts.
"""

from __future__ import annotations

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME_BYTES = len("/serverless_instrument/forwarder/__main__.py")


def _main() -> None:
    if not posix.environ.get(b"AWS_LAMBDA_RUNTIME_API"):
        sys.stderr.write(
            "serverless-instrument: AWS_LAMBDA_RUNTIME_API is not set: the forwarder is a Lambda "
            "extension; `serverless-instrument run` starts it on a laptop\n"
        )
        sys.exit(2)
    # -I and -S leave site-packages and the working directory out: the package root goes in by hand.
    root = __file__[:-_NAME_BYTES] or "/"
    if root not in sys.path:
        sys.path.insert(0, root)
    made: dict[str, Any] = {}
    try:
        _start(made)
    except Exception as error:  # an exit would take the function's environment with it
        if made.get("listener") is not None:
            made["listener"].close()  # for nobody reads what runtimes send
        sys.path.append(__file__.rpartition("/")[0])
        import bare_next  # type: ignore[import-not-found] # by its file, as its package may be broken

        bare_next.serve(error, made.get("registration"))


def _start(made: dict[str, Any]) -> None:
    """Run the forwarder; `made` gets what is of use if it cannot."""
    from serverless_instrument import wire
    from serverless_instrument.forwarder import extensions_api, runtime_socket

    # As os.environ decodes it; os itself would be a fifth of all instructions up to register.
    environ = {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }
    api = environ["AWS_LAMBDA_RUNTIME_API"]
    listener, problem = runtime_socket.listen(wire.socket_path(environ))
    made["listener"] = listener
    otlp, statsd = None, None
    said: list[str] = []
    # What they mean is read where it is needed, so that nothing is loaded for it here.
    if "SERVERLESS_INSTRUMENT_RECEIVER" in environ or "SERVERLESS_INSTRUMENT_STATSD" in environ:
        from serverless_instrument.forwarder.inputs import extra_listeners

        otlp, statsd, said = extra_listeners.listen(environ)
    registration = extensions_api.handed_over(api, environ)
    if registration is None:
        registration = extensions_api.register(api, extensions_api.events_for(environ))
    made["registration"] = registration

    from serverless_instrument import bundles

    bundles.install("forwarder")
    bundles.preload("next")

    from serverless_instrument.forwarder import main

    # A runtime that has started this process is connected already, with or without a listener.
    alone = registration.runtime_descriptor < 0
    problems = [problem] if problem and alone else []
    main.run(environ, listener, registration, problems + said, otlp, statsd)


if __name__ == "__main__":
    _main()
