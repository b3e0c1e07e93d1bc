"""An intake with everything that it is told of, as the forwarder puts it together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serverless_instrument.forwarder.intake import Intake
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings

if TYPE_CHECKING:
    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics


def intake(
    batch: Batch,
    logs: LogIntake | None = None,
    outcomes: Outcomes | None = None,
    metrics: FunctionMetrics | None = None,
) -> Intake:
    """An intake; what is not given has the settings of an empty environment."""
    logs = logs or LogIntake(LogSettings({}, has_destination=True), {}, batch, lambda _, __: None)
    return Intake(batch, logs, outcomes or Outcomes({}, batch, 0, metrics), metrics)
