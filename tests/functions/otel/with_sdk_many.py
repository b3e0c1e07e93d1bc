"""Many spans of the SDK's own."""

import opentelemetry.sdk.trace  # noqa: F401
from app import many as handler  # noqa: F401
