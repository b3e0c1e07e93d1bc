"""From the first line of the forwarder to its event loop.

Lambda starts the runtime only after every external extension has registered
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html), so what stands before
the register call is cold start: listen, so that the runtime can always connect, register, and only
then import the rest, while the runtime starts.
"""

from __future__ import annotations

import posix
import sys

from serverless_instrument import wire
from serverless_instrument.forwarder import extensions_api, runtime_socket


def run(made: dict[str, object]) -> None:
    """Run the forwarder to its end; `made` gets what is of use if it cannot be started."""
    # As os.environ decodes it; os itself would be a fifth of all instructions up to register.
    environ = {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }
    api = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not api:
        sys.stderr.write(
            "serverless-instrument: AWS_LAMBDA_RUNTIME_API is not set: the forwarder is a Lambda "
            "extension; `serverless-instrument run` starts it on a laptop\n"
        )
        sys.exit(2)
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
