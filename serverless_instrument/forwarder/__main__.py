"""Start of the forwarder: ``python -I -S <this file>``.

Lambda starts the runtime only after every external extension has registered
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html), so what stands before
the register call is cold start: listen, so that the runtime can always connect, register, and only
then import the rest, while the runtime starts.
"""

import os
import sys


def _main() -> None:
    # -I and -S leave site-packages and the working directory out: the package root goes in by hand.
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if root not in sys.path:
        sys.path.insert(0, root)
    from serverless_instrument import wire
    from serverless_instrument.forwarder import receiver, runtime_api

    api = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not api:
        sys.stderr.write(
            "serverless-instrument: AWS_LAMBDA_RUNTIME_API is not set: the forwarder is a Lambda "
            "extension; `serverless-instrument run` starts it on a laptop\n"
        )
        sys.exit(2)
    listener, problem = receiver.listen(wire.socket_path(os.environ))
    registration = runtime_api.register(api, runtime_api.events_for(os.environ))

    from serverless_instrument.forwarder import main

    main.run(os.environ, listener, registration, [problem] if problem else [])


if __name__ == "__main__":
    _main()
