"""Lambda function URL: payload format 2.0 on a function URL's domain. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from serverless_instrument.wrapper.triggers import http_api_v2

facts = http_api_v2.facts
outcome = http_api_v2.outcome


def infer(event: object) -> bool:
    """Whether it is in payload format 2.0, on a function URL's domain."""
    return http_api_v2.is_format_2(event) and http_api_v2.is_function_url(event)
