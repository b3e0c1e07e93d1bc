"""Start of the forwarder: ``python -I -S <this file>``.

Lambda starts the runtime only after every external extension has registered
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html), so what stands before
the register call is cold start: listen, so that the runtime can always connect, register, and only
then import the rest, while the runtime starts.
"""

import posix
import sys

_NAME_BYTES = len("/serverless_instrument/forwarder/__main__.py")


def _main() -> None:
    # -I and -S leave site-packages and the working directory out: the package root goes in by hand.
    root = __file__[:-_NAME_BYTES] or "/"
    if root not in sys.path:
        sys.path.insert(0, root)
    from serverless_instrument import wire
    from serverless_instrument.forwarder import extensions_api, runtime_socket

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
    otlp, statsd = None, None
    said: list[str] = []
    # What they mean is read where it is needed, so that nothing is loaded for it here.
    if "SERVERLESS_INSTRUMENT_RECEIVER" in environ or "SERVERLESS_INSTRUMENT_STATSD" in environ:
        from serverless_instrument.forwarder.inputs import extra_listeners

        otlp, statsd, said = extra_listeners.listen(environ)
    registration = extensions_api.handed_over(api, environ)
    if registration is None:
        registration = extensions_api.register(api, extensions_api.events_for(environ))

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
