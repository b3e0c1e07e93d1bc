"""AWS hosts whose OTLP endpoints want signed requests. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html
"""

from __future__ import annotations

# X-Ray takes traces, CloudWatch Logs logs, CloudWatch metrics.
_SERVICES = ("xray", "logs", "monitoring")


def signed_for(host: str) -> tuple[str, str] | None:
    """(service, region) to sign requests to `host` for, None for any other host."""
    labels = host.lower().rstrip(".").split(".")
    # vpce-0123-abcd.logs.us-east-1.vpce.amazonaws.com is an interface endpoint's own name.
    if labels[0].startswith("vpce-") and labels[3:4] == ["vpce"]:
        labels = [*labels[1:3], *labels[4:]]
    if len(labels) < 4 or labels[2:] not in (
        ["amazonaws", "com"],
        ["amazonaws", "com", "cn"],
        ["api", "aws"],
    ):
        return None
    service = labels[0].removesuffix("-fips")
    return (service, labels[1]) if service in _SERVICES else None
