"""Fast start: the distribution's small SDK in place of the auto-instrumentation's process."""

import logging

from amazon.opentelemetry.distro.opentelemetry_lite_sdk import configure_lite_mode

configure_lite_mode()
# The layer's own Lambda instrumentation does not complain at each call that there are no metrics.
logging.getLogger("opentelemetry.instrumentation.aws_lambda").setLevel(logging.ERROR)

from bench_opentelemetry import handler  # noqa: E402, F401 - after the SDK, as it patches the function
