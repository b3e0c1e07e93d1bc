"""Answers with nothing that differs from one invocation to the next, unless asked."""

from pathlib import Path


def handler(event, context):
    if event.get("fail_bytes"):
        raise ValueError("x" * event["fail_bytes"])
    if event.get("resident"):
        return resident_bytes()
    return {"statusCode": 200, "body": event["rawPath"]}


def resident_bytes():
    """The process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
