"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import s3_batch
from tests.wrapper.triggers import events


@pytest.mark.parametrize(
    ("results", "error_type", "message"),
    [
        ([{"taskId": "t", "resultCode": "Succeeded", "resultString": "ok"}], "", ""),
        (
            [{"resultCode": "PermanentFailure", "resultString": "no such object"}],
            "PermanentFailure",
            "no such object",
        ),
        ([{"resultCode": "TemporaryFailure"}], "TemporaryFailure", ""),
        ([{"resultCode": None}], "", ""),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_a_failed_task_is_an_error(results: object, error_type: str, message: str) -> None:
    outcome = s3_batch.outcome({"results": results})
    assert (outcome.error_type, outcome.message) == (error_type, message)


@pytest.mark.parametrize("tasks", [[], [None], [{}]])
def test_a_task_that_says_nothing(tasks: list[object]) -> None:
    event = events.load("s3_batch_v1") | {"tasks": tasks}
    facts = s3_batch.facts(event, events.KNOWN_METHODS)
    assert facts.attributes == {"aws.lambda.event_source": "aws:s3:batch"}
