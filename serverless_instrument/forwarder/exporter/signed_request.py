"""Signs requests to AWS with the current time."""

from __future__ import annotations

from time import gmtime, strftime

from serverless_instrument.forwarder.exporter import sigv4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.destinations.destination import Destination

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_MAX_SKEW_S = 300
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def signer(destination: Destination) -> Callable[[dict[str, str], bytes], dict[str, str]]:
    """The function that signs requests to `destination`, which has `aws` and `credentials`."""
    scope, credentials = destination.aws, destination.credentials
    assert scope is not None
    assert credentials is not None

    def sign(headers: dict[str, str], body: bytes) -> dict[str, str]:
        now = strftime("%Y%m%dT%H%M%SZ", gmtime())
        path = destination.path
        return sigv4.signature("POST", path, headers, body, scope, credentials, now)

    return sign


def clock_skew(date: str, now_unix_s: float) -> str:
    """A note on a wrong clock, by the ``Date`` field of a refusal; "" if the clocks agree."""
    parts = date.split()
    try:
        _, day, month, year, clock, _ = parts
        hour, minute, second = clock.split(":")
        from datetime import datetime, timezone

        theirs_s = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=timezone.utc,
        ).timestamp()
    except ValueError:
        return ""
    skew_s = round(now_unix_s - theirs_s)
    if abs(skew_s) < _MAX_SKEW_S:
        return ""
    ahead = "ahead of" if skew_s > 0 else "behind"
    return f"; this environment's clock is {abs(skew_s)} s {ahead} AWS's, which voids signatures"
