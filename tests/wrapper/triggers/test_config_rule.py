"""https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import config_rule
from tests.wrapper.triggers import events


@pytest.mark.parametrize(
    ("invoking", "trigger", "time"),
    [
        (
            '{"messageType":"ScheduledNotification","notificationCreationTime":"2026-03-12T13:23Z"}',
            "timer",
            "2026-03-12T13:23Z",
        ),
        ('{"messageType":"ScheduledNotification"}', "timer", None),
        ('{"messageType":"Other","a":"ScheduledNotification"}', "other", None),
        ('"ScheduledNotification"', "other", None),
        ('{"messageType":"ScheduledNotification"', "other", None),
        ('{"messageType":"ScheduledNotification"}' + " " * 5000, "other", None),
        ("", "other", None),
    ],
)
def test_a_periodic_evaluation_is_a_timers(invoking: str, trigger: str, time: str | None) -> None:
    event = events.load("config_change") | {"invokingEvent": invoking}
    facts = config_rule.facts(event, events.KNOWN_METHODS)
    assert (facts.trigger, facts.attributes.get("faas.time")) == (trigger, time)
