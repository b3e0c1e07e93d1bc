"""Answers with nothing that differs from one invocation to the next."""

from pathlib import Path


def handler(event, context):
    if event.get("fail_bytes"):
        raise ValueError("x" * event["fail_bytes"])
    return {"statusCode": 200, "body": event["rawPath"]}


def resident_bytes(event, context):
    """The process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
