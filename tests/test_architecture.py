"""Who may import whom, and what each process has loaded when it asks for its first event.

The table is the rule: a new file needs a row, a new import of ours an entry, and an entry that is
no longer true fails, too. docs/architecture.md says why the processes start as they do.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from benchmark.starts import start_modules
from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "serverless_instrument"
NAME = PACKAGE.name


class Row(NamedTuple):
    """Modules of ours that one file imports: at its top, and inside its functions."""

    top: set[str]
    inside: set[str]


def words(*lines: str) -> set[str]:
    return set(" ".join(lines).split())


def row(*top: str, inside: str = "") -> Row:
    return Row(words(*top), words(inside))


# Names are relative to the package; "." is the package itself.
TABLE: dict[str, Row] = {
    # shared by both processes
    "wire.py": row(),
    "log_rules.py": row(),
    "iso_time.py": row(),
    "json_line.py": row("iso_time severity"),
    "masking.py": row(),
    "severity.py": row(),
    "__init__.py": row(inside="api"),
    # what the function may call
    "api.py": row("wrapper.manual", inside="wrapper.bootstrap"),
    # the runtime process
    "wrapper/__init__.py": row(),
    "wrapper/bootstrap.py": row(
        inside="wire wrapper.channel wrapper.deadline wrapper.encoder wrapper.errors "
        "wrapper.internal_extension wrapper.context_extractor wrapper.invocation "
        "wrapper.late_context wrapper.logs "
        "wrapper.measurements wrapper.on_import wrapper.payload wrapper.resource wrapper.settings",
    ),
    "wrapper/channel.py": row(inside="wire"),
    "wrapper/context_extractor.py": row("wrapper.propagation"),
    "wrapper/consumer_span.py": row("wrapper.propagation wrapper.records wrapper.triggers.base"),
    "wrapper/current_span.py": row(),
    "wrapper/deadline.py": row("wire"),
    "wrapper/deprecation.py": row(),
    "wrapper/encoder.py": row("wire", inside="masking"),
    "wrapper/errors.py": row(),
    "wrapper/hooks/__init__.py": row(),
    "wrapper/hooks/botocore.py": row(inside="wrapper.propagation wrapper.propagators"),
    "wrapper/hooks/first_call.py": row(),
    "wrapper/hooks/old_meters.py": row(),
    "wrapper/hooks/routes.py": row(),
    "wrapper/hooks/run.py": row(
        "wrapper.hooks.table wrapper.lean_imports wrapper.own_packages",
        inside="wrapper.hooks.old_meters",
    ),
    "wrapper/hooks/table.py": row(),
    "wrapper/hooks/urllib.py": row("wrapper.hooks.first_call"),
    "wrapper/hooks/urllib3.py": row("wrapper.hooks.first_call"),
    "wrapper/http_client_spans.py": row("wrapper.records wrapper.triggers.http"),
    "wrapper/import_hooks.py": row(),
    "wrapper/internal_extension.py": row(),
    "wrapper/invocation.py": row(
        ". wire wrapper.encoder wrapper.propagation wrapper.records wrapper.settings",
        "wrapper.triggers.registry",
        inside="wrapper.consumer_span wrapper.errors wrapper.sampling wrapper.triggers.base "
        "wrapper.triggers.captured_headers wrapper.triggers.client_context",
    ),
    "wrapper/late_context.py": row(),
    "wrapper/lean_imports.py": row(),
    "wrapper/live_span.py": row("wrapper.errors wrapper.records wrapper.span_parts"),
    "wrapper/log_frames.py": row("wire wrapper.encoder wrapper.records"),
    "wrapper/log_hook.py": row("wrapper.output_tee"),
    "wrapper/log_records.py": row("wrapper.errors json_line wrapper.records severity"),
    "wrapper/logs.py": row(
        "wire wrapper.current_span wrapper.encoder wrapper.log_frames wrapper.log_hook",
        "wrapper.output_tee",
        inside="wrapper.invocation wrapper.log_records",
    ),
    "wrapper/manual.py": row(
        ". wrapper.bootstrap wrapper.errors wrapper.metric_arguments wrapper.records",
        inside="wrapper.live_span wrapper.tracer",
    ),
    "wrapper/exemplar_ids.py": row(),
    "wrapper/measurements.py": row(
        "wire wrapper.invocation wrapper.metric_encoder wrapper.metric_instruments"
    ),
    "wrapper/meter.py": row(
        "wrapper.encoder wrapper.exemplar_ids wrapper.measurements wrapper.meter_instruments",
        "wrapper.metric_instruments",
    ),
    "wrapper/meter_instruments.py": row("wrapper.metric_encoder"),
    "wrapper/metric_encoder.py": row("wire wrapper.encoder"),
    "wrapper/metric_instruments.py": row("wire wrapper.encoder wrapper.metric_encoder"),
    "wrapper/metric_reader.py": row("wrapper.encoder wrapper.measurements wrapper.metric_encoder"),
    "wrapper/on_import.py": row(
        "wire wrapper.hooks.table wrapper.import_hooks",
        inside="wrapper.deprecation wrapper.hooks.botocore wrapper.hooks.routes "
        "wrapper.hooks.run wrapper.late_context wrapper.manual wrapper.otel_logs "
        "wrapper.own_packages wrapper.propagation wrapper.propagators wrapper.sdk "
        "wrapper.sdk_metrics",
    ),
    "wrapper/metric_arguments.py": row(),
    "wrapper/otel_logs.py": row("wrapper.encoder wrapper.errors wrapper.records"),
    "wrapper/output_tee.py": row(),
    "wrapper/own_packages.py": row(),
    "wrapper/payload.py": row(),
    "wrapper/propagation.py": row(),
    "wrapper/propagators.py": row("wrapper.propagation"),
    "wrapper/records.py": row(),
    "wrapper/resource.py": row(". wrapper.propagation"),
    "wrapper/root_span.py": row(
        "wrapper.live_span wrapper.records wrapper.tracer",
        inside="wrapper.sdk_options wrapper.sdk_processor",
    ),
    "wrapper/sampling.py": row(),
    "wrapper/sdk.py": row(
        ". wire wrapper.encoder wrapper.invocation wrapper.propagation wrapper.records",
        inside="wrapper.http_client_spans wrapper.live_span wrapper.log_frames wrapper.root_span "
        "wrapper.sampling wrapper.sdk_options wrapper.sdk_processor wrapper.tracer",
    ),
    "wrapper/sdk_metrics.py": row("wrapper.sdk", inside="wrapper.meter wrapper.metric_reader"),
    "wrapper/sdk_options.py": row("wrapper.settings wrapper.span_parts wrapper.tracer"),
    "wrapper/sdk_processor.py": row("wrapper.encoder wrapper.records wrapper.span_parts"),
    "wrapper/settings.py": row("wrapper.encoder", inside="log_rules"),
    "wrapper/span_parts.py": row("wrapper.records"),
    "wrapper/tracer.py": row(
        "wrapper.encoder wrapper.live_span wrapper.records wrapper.span_parts"
    ),
    "wrapper/triggers/__init__.py": row(),
    "wrapper/triggers/activemq.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.message_carriers",
    ),
    "wrapper/triggers/alb.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http",
    ),
    "wrapper/triggers/base.py": row(),
    "wrapper/triggers/batches.py": row("wrapper.triggers.base"),
    "wrapper/triggers/captured_headers.py": row("wrapper.triggers.base"),
    "wrapper/triggers/client_context.py": row(),
    "wrapper/triggers/carriers.py": row("wrapper.triggers.base"),
    "wrapper/triggers/cloudwatch_logs.py": row("wrapper.triggers.source"),
    "wrapper/triggers/codecommit.py": row("wrapper.triggers.batches wrapper.triggers.source"),
    "wrapper/triggers/direct.py": row("wrapper.triggers.base wrapper.triggers.payload"),
    "wrapper/triggers/document.py": row(),
    "wrapper/triggers/documentdb.py": row(
        "wrapper.triggers.base wrapper.triggers.batches wrapper.triggers.document",
        "wrapper.triggers.source",
    ),
    "wrapper/triggers/dynamodb_stream.py": row(
        "wrapper.triggers.base wrapper.triggers.batches wrapper.triggers.message_carriers",
        "wrapper.triggers.document",
    ),
    "wrapper/triggers/eventbridge.py": row(
        "wrapper.triggers.base wrapper.triggers.message_carriers wrapper.triggers.s3",
        "wrapper.triggers.source",
    ),
    "wrapper/triggers/firehose.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.message_carriers",
    ),
    "wrapper/triggers/function_url.py": row("wrapper.triggers.http_api_v2"),
    "wrapper/triggers/http.py": row("wrapper.propagation wrapper.triggers.base"),
    "wrapper/triggers/http_api_v2.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http",
    ),
    "wrapper/triggers/kafka.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.message_carriers",
    ),
    "wrapper/triggers/kinesis.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.message_carriers",
    ),
    "wrapper/triggers/rabbitmq.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.message_carriers",
    ),
    "wrapper/triggers/records_registry.py": row("wrapper.triggers.base"),
    "wrapper/triggers/registry.py": row(
        "wrapper.triggers.base", inside="wrapper.triggers.records_registry"
    ),
    "wrapper/triggers/rest_v1.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http",
    ),
    "wrapper/triggers/alexa.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/api_authorizer.py": row(
        "wrapper.triggers.base wrapper.triggers.source",
        inside="wrapper.triggers.http_api_v2 wrapper.triggers.rest_v1 wrapper.triggers.websocket",
    ),
    "wrapper/triggers/appsync.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http",
        "wrapper.triggers.source",
    ),
    "wrapper/triggers/appsync_authorizer.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http",
        "wrapper.triggers.source",
    ),
    "wrapper/triggers/appsync_events.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.source"
    ),
    "wrapper/triggers/bedrock_agent.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/cloudformation.py": row("wrapper.triggers.source"),
    "wrapper/triggers/cloudfront.py": row("wrapper.triggers.base wrapper.triggers.http"),
    "wrapper/triggers/cloudwatch_alarm.py": row("wrapper.triggers.source"),
    "wrapper/triggers/codedeploy.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/codepipeline.py": row("wrapper.triggers.source"),
    "wrapper/triggers/cognito.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/config_rule.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/connect.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/destination.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/durable_execution.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/iot.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/kinesis_analytics.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/redshift_udf.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/lattice.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http"
    ),
    "wrapper/triggers/lex.py": row("wrapper.triggers.payload wrapper.triggers.source"),
    "wrapper/triggers/message_carriers.py": row("wrapper.triggers.base wrapper.triggers.payload"),
    "wrapper/triggers/payload.py": row("wrapper.triggers.base"),
    "wrapper/triggers/rest_non_proxy.py": row(
        "wrapper.propagation wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http"
    ),
    "wrapper/triggers/s3.py": row(
        "wrapper.propagation wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.document wrapper.triggers.message_carriers wrapper.triggers.source",
    ),
    "wrapper/triggers/s3_batch.py": row(
        "wrapper.propagation wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/s3_object_lambda.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/schedule.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/secrets_rotation.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/ses.py": row(
        "wrapper.triggers.base wrapper.triggers.batches",
        "wrapper.triggers.source",
    ),
    "wrapper/triggers/sns.py": row(
        "wrapper.triggers.base wrapper.triggers.batches wrapper.triggers.message_carriers",
        "wrapper.triggers.s3",
    ),
    "wrapper/triggers/source.py": row("wrapper.triggers.base"),
    "wrapper/triggers/sqs.py": row(
        "wrapper.triggers.base wrapper.triggers.batches wrapper.triggers.message_carriers",
        "wrapper.triggers.s3",
    ),
    "wrapper/triggers/step_functions.py": row(
        "wrapper.triggers.base wrapper.triggers.payload wrapper.triggers.source"
    ),
    "wrapper/triggers/transfer.py": row("wrapper.triggers.base wrapper.triggers.source"),
    "wrapper/triggers/warmup.py": row("wrapper.triggers.source"),
    "wrapper/triggers/websocket.py": row(
        "wrapper.triggers.base wrapper.triggers.carriers wrapper.triggers.http"
    ),
    # the companion process
    "forwarder/__init__.py": row(),
    "forwarder/__main__.py": row(
        inside="wire forwarder.extra_listeners forwarder.main forwarder.receiver "
        "forwarder.runtime_api",
    ),
    "forwarder/aws_credentials.py": row(),
    "forwarder/aws_endpoint.py": row(),
    "forwarder/backend.py": row(
        "forwarder.otlp_http forwarder.settings",
        inside="forwarder.poster",
    ),
    "forwarder/batch.py": row(
        "wire",
        inside="forwarder.metric_aggregation",
    ),
    "forwarder/breaker.py": row(),
    "forwarder/connections.py": row(
        "wire forwarder.intake forwarder.receiver",
    ),
    "forwarder/cost.py": row(),
    "forwarder/delivery.py": row(
        "forwarder.backend forwarder.batch forwarder.otlp_http forwarder.overflow",
        "forwarder.retry_queue forwarder.settings forwarder.tally",
        inside="forwarder.halves forwarder.self_report",
    ),
    "forwarder/destination.py": row(),
    "forwarder/distribution.py": row(
        "forwarder.exponential_buckets forwarder.metric_points forwarder.protobuf",
    ),
    "forwarder/emf.py": row("forwarder.distribution forwarder.json_text"),
    "forwarder/emf_metrics.py": row(
        "wire forwarder.metric_series forwarder.protobuf forwarder.settings forwarder.tally",
        inside="forwarder.distribution forwarder.emf",
    ),
    "forwarder/endings.py": row(
        "forwarder.init_span forwarder.log_intake forwarder.never_began",
        "forwarder.platform_events forwarder.resource forwarder.settings",
        "forwarder.spans forwarder.unfinished",
    ),
    "forwarder/endpoint_settings.py": row(
        "forwarder.destination forwarder.url",
        inside="forwarder.aws_credentials forwarder.aws_endpoint forwarder.headers "
        "forwarder.headers_secret",
    ),
    "forwarder/enhanced_metrics.py": row(
        "wire forwarder.enhanced_record forwarder.peaks forwarder.platform_events",
        "forwarder.report_metrics forwarder.usage_metrics",
    ),
    "forwarder/enhanced_record.py": row(),
    "forwarder/exponential_buckets.py": row(
        "wire forwarder.protobuf",
    ),
    "forwarder/extra_listeners.py": row(
        "forwarder.settings",
        inside="forwarder.otlp_receiver forwarder.statsd_listener",
    ),
    "forwarder/faas_metrics.py": row(
        ". wire forwarder.metric_points forwarder.metric_series forwarder.platform_events",
        "forwarder.usage_metrics",
    ),
    "forwarder/flush_settings.py": row(
        "wire forwarder.flush_strategy forwarder.retry_queue",
    ),
    "forwarder/flush_strategy.py": row(),
    "forwarder/freeze_clock.py": row(),
    "forwarder/function_lines.py": row(
        "forwarder.json_text",
    ),
    "forwarder/halves.py": row(
        "forwarder.batch forwarder.protobuf",
        inside="wire",
    ),
    "forwarder/headers.py": row(),
    "forwarder/headers_secret.py": row(
        "forwarder.destination forwarder.headers forwarder.url",
        inside="forwarder.json_text",
    ),
    "forwarder/http1.py": row(),
    "forwarder/http1_server.py": row(
        "forwarder.http1",
    ),
    "forwarder/init_span.py": row(
        "forwarder.platform_events forwarder.spans",
    ),
    "forwarder/intake.py": row("wire forwarder.settings"),
    "forwarder/json_text.py": row(),
    "forwarder/lifecycle.py": row(),
    "forwarder/link.py": row(
        "forwarder.http1 forwarder.patience",
        inside="forwarder.proxy forwarder.tunnel",
    ),
    "forwarder/log_intake.py": row(
        ". wire forwarder.function_lines forwarder.log_records",
        "forwarder.platform_events forwarder.platform_lines forwarder.protobuf",
        "forwarder.resource forwarder.settings",
    ),
    "forwarder/log_records.py": row(
        "iso_time json_line masking severity",
        "wire forwarder.json_text forwarder.protobuf",
    ),
    "forwarder/log_settings.py": row(
        "log_rules",
    ),
    "forwarder/main.py": row(
        "forwarder.connections forwarder.delivery forwarder.flush_settings",
        "forwarder.flush_strategy forwarder.freeze_clock forwarder.lifecycle",
        "forwarder.runtime_api forwarder.settings forwarder.telemetry",
        inside="forwarder.endings forwarder.metrics forwarder.otlp_receiver",
    ),
    "forwarder/metrics.py": row(
        inside="forwarder.cost forwarder.emf_metrics forwarder.enhanced_metrics "
        "forwarder.faas_metrics forwarder.proc_sampler forwarder.proc_stats "
        "forwarder.statsd_listener forwarder.statsd_metrics",
    ),
    "forwarder/metric_aggregation.py": row(
        "wire forwarder.metric_points forwarder.metric_series forwarder.metric_templates",
        "forwarder.protobuf",
    ),
    "forwarder/metric_series.py": row(
        "wire forwarder.metric_points forwarder.protobuf",
    ),
    "forwarder/metric_templates.py": row(
        "forwarder.metric_points forwarder.metric_series",
    ),
    "forwarder/metric_points.py": row(
        "wire forwarder.exponential_buckets forwarder.protobuf",
    ),
    "forwarder/never_began.py": row(
        "forwarder.spans forwarder.unfinished",
    ),
    "forwarder/otlp_answer.py": row(
        "forwarder.protobuf",
        inside="forwarder.json_text",
    ),
    "forwarder/otlp_http.py": row(
        ".",
        inside="forwarder.otlp_answer forwarder.otlp_json",
    ),
    "forwarder/otlp_json.py": row(
        "forwarder.protobuf",
    ),
    "forwarder/otlp_receiver.py": row(
        "forwarder.http1 forwarder.http1_server forwarder.otlp_request",
    ),
    "forwarder/otlp_request.py": row(
        "wire forwarder.protobuf",
    ),
    "forwarder/overflow.py": row(
        "forwarder.tally",
        inside="forwarder.spool",
    ),
    "forwarder/patience.py": row(),
    "forwarder/peaks.py": row(),
    "forwarder/platform_events.py": row(
        "iso_time forwarder.json_text",
    ),
    "forwarder/platform_lines.py": row(
        "forwarder.platform_events",
    ),
    "forwarder/poster.py": row(
        "forwarder.http1 forwarder.link forwarder.otlp_http",
        inside="forwarder.secret_reader forwarder.signed",
    ),
    "forwarder/proc_sampler.py": row("forwarder.proc_stats forwarder.usage"),
    "forwarder/proc_stats.py": row("forwarder.usage"),
    "forwarder/protobuf.py": row(
        "wire",
    ),
    "forwarder/proxy.py": row(
        "forwarder.endpoint_settings forwarder.headers forwarder.url",
    ),
    "forwarder/receiver.py": row(),
    "forwarder/report_metrics.py": row(
        "forwarder.enhanced_record forwarder.platform_events",
    ),
    "forwarder/resource.py": row(
        "wire forwarder.protobuf",
    ),
    "forwarder/retry_queue.py": row(
        "forwarder.batch forwarder.breaker forwarder.settings",
    ),
    "forwarder/runtime_api.py": row(
        "forwarder.http1",
        inside="forwarder.json_text",
    ),
    "forwarder/secret_reader.py": row(
        "forwarder.headers_secret forwarder.http1 forwarder.link forwarder.signed",
    ),
    "forwarder/self_report.py": row(
        ". wire forwarder.tally",
    ),
    "forwarder/settings.py": row(
        "forwarder.endpoint_settings",
        inside="forwarder.proxy",
    ),
    "forwarder/signed.py": row(
        "forwarder.sigv4",
    ),
    "forwarder/sigv4.py": row(),
    "forwarder/spans.py": row(
        ". wire forwarder.protobuf",
    ),
    "forwarder/spool.py": row(
        "forwarder.retry_queue forwarder.spool_format",
    ),
    "forwarder/spool_format.py": row(
        "forwarder.batch forwarder.settings",
    ),
    "forwarder/statsd.py": row("forwarder.distribution"),
    "forwarder/statsd_listener.py": row(),
    "forwarder/statsd_metrics.py": row(
        ". wire forwarder.distribution forwarder.metric_series forwarder.metric_points",
        "forwarder.protobuf forwarder.settings forwarder.statsd forwarder.tally",
    ),
    "forwarder/tally.py": row(),
    "forwarder/telemetry.py": row(
        "forwarder.log_settings forwarder.telemetry_listener",
        "forwarder.telemetry_subscription",
        inside="forwarder.http1_server forwarder.log_intake forwarder.platform_events",
    ),
    "forwarder/telemetry_listener.py": row(
        inside="forwarder.http1 forwarder.http1_server",
    ),
    "forwarder/telemetry_subscription.py": row(
        "forwarder.http1 forwarder.runtime_api",
    ),
    "forwarder/tunnel.py": row(
        "forwarder.http1 forwarder.proxy",
    ),
    "forwarder/unfinished.py": row(
        "forwarder.platform_events forwarder.spans",
    ),
    "forwarder/url.py": row(),
    # the local Lambda; never part of the layer
    "forwarder/usage.py": row(),
    "forwarder/usage_metrics.py": row(),
    "cli.py": row(inside="local.command"),
    "local/extensions_api.py": row(
        "local.api_server local.runtime_api local.telemetry_subscription"
    ),
    "local/init_phase.py": row("local.platform_events local.sandbox_state"),
    "local/invoke_phase.py": row(
        "local.config local.init_phase local.invocation local.platform_events local.sandbox_state"
    ),
    "local/launch_plan.py": row("local.config local.interpreter local.layer local.log_stream"),
    "local/output_pipe.py": row("local.log_stream"),
    "local/process_tree.py": row(),
    "local/processes.py": row("local.log_stream local.output_pipe local.process_tree"),
    "local/runtime_api.py": row("local.api_server"),
    "local/sandbox.py": row(
        "local.api_server local.changes local.config local.environment local.extensions_api",
        "local.invocation local.invoke_phase local.launch_plan local.layer local.lifecycle",
        "local.runtime_api local.sandbox_state local.telemetry",
    ),
    "local/__init__.py": row(),
    "local/api_server.py": row("local.sandbox_state"),
    "local/changes.py": row(),
    "local/command.py": row(
        ".",
        inside="local.config local.handler_file local.interpreter local.layer local.levels "
        "local.live local.run local.tail",
    ),
    "local/config.py": row(),
    "local/environment.py": row("local.layer local.platform_events local.sandbox_state"),
    "local/handler_file.py": row(),
    "local/interpreter.py": row(),
    "local/invocation.py": row(),
    "local/layer.py": row("."),
    "local/levels.py": row(),
    "local/live.py": row("local.levels"),
    "local/lifecycle.py": row(
        "local.memory_limit local.platform_events local.processes local.sandbox_state"
    ),
    "local/log_stream.py": row(),
    "local/memory_limit.py": row("local.process_tree"),
    "local/metric_series.py": row(),
    "local/metric_table.py": row("local.metric_series local.quantity"),
    "local/otlp_data.py": row(),
    "local/otlp_receiver.py": row("local.otlp_data"),
    "local/platform_events.py": row(),
    "local/quantity.py": row(),
    "local/report.py": row("local.config"),
    "local/run.py": row(
        "local.otlp_data local.otlp_receiver local.report local.sandbox local.terminal",
    ),
    "local/runtime/bootstrap.py": row(),
    "local/sandbox_state.py": row(),
    "local/telemetry.py": row("local.platform_events local.sandbox_state local.telemetry_delivery"),
    "local/telemetry_delivery.py": row("local.platform_events local.telemetry_subscription"),
    "local/telemetry_subscription.py": row(),
    "local/tail.py": row("local.live local.otlp_data local.otlp_receiver local.terminal"),
    "local/terminal.py": row(
        "local.levels local.metric_table local.otlp_data local.trace_view",
    ),
    "local/trace_view.py": row(),
}

# Each costs a cold start more than all of ours together, so none stands at the top of a module
# that is loaded at start. Annotations do with `if TYPE_CHECKING:`.
BANNED_AT_TOP = words(
    "typing dataclasses http urllib ssl asyncio inspect pathlib uuid argparse importlib.metadata",
    "email logging opentelemetry wrapt",
)
START_PATHS = (
    *("wire.py", "log_rules.py", "iso_time.py", "json_line.py", "masking.py", "severity.py"),
    *("wrapper/", "forwarder/"),
)
# The runtime client has loaded it already; in the forwarder there is nobody to do so.
ALREADY_IN_THE_RUNTIME = {"logging"}

# Loaded once something in the function has imported OpenTelemetry or an instrumented library.
ON_DEMAND = words(
    "wrapper/hooks/botocore.py wrapper/hooks/first_call.py wrapper/hooks/old_meters.py",
    "wrapper/hooks/routes.py wrapper/hooks/run.py",
    "wrapper/hooks/urllib.py wrapper/hooks/urllib3.py wrapper/late_context.py",
    "wrapper/exemplar_ids.py wrapper/lean_imports.py wrapper/live_span.py wrapper/meter.py",
    "wrapper/meter_instruments.py wrapper/metric_reader.py wrapper/otel_logs.py",
    "wrapper/propagators.py wrapper/root_span.py",
    "wrapper/sdk.py wrapper/sdk_metrics.py wrapper/sdk_options.py wrapper/sdk_processor.py",
    "wrapper/span_parts.py wrapper/tracer.py",
)
# Imports the SDK at start where a setting needs it: inside a function, and nowhere else.
MAY_ASK = "wrapper/on_import.py"

# What decides and does nothing else: time, randomness and the environment come as arguments.
# Coverage is held to these, in pyproject.toml; the others are tested as running processes.
PURE = (
    "wire.py",
    "wrapper/consumer_span.py",
    "log_rules.py",
    "wrapper/encoder.py",
    "wrapper/errors.py",
    "wrapper/hooks/table.py",
    "wrapper/http_client_spans.py",
    "wrapper/invocation.py",
    "wrapper/measurements.py",
    "wrapper/metric_arguments.py",
    "wrapper/metric_encoder.py",
    "wrapper/metric_instruments.py",
    "wrapper/payload.py",
    "iso_time.py",
    "json_line.py",
    "wrapper/log_frames.py",
    "wrapper/log_records.py",
    "masking.py",
    "wrapper/propagation.py",
    "wrapper/records.py",
    "wrapper/resource.py",
    "wrapper/sampling.py",
    "wrapper/settings.py",
    "severity.py",
    "wrapper/triggers/*.py",
    "forwarder/aws_credentials.py",
    "forwarder/aws_endpoint.py",
    "forwarder/batch.py",
    "forwarder/function_lines.py",
    "forwarder/breaker.py",
    "forwarder/flush_settings.py",
    "forwarder/flush_strategy.py",
    "forwarder/freeze_clock.py",
    "forwarder/halves.py",
    "forwarder/cost.py",
    "forwarder/enhanced_metrics.py",
    "forwarder/enhanced_record.py",
    "forwarder/exponential_buckets.py",
    "forwarder/faas_metrics.py",
    "forwarder/http1.py",
    "forwarder/http1_server.py",
    "forwarder/init_span.py",
    "forwarder/destination.py",
    "forwarder/endpoint_settings.py",
    "forwarder/headers.py",
    "forwarder/headers_secret.py",
    "forwarder/intake.py",
    "forwarder/json_text.py",
    "forwarder/lifecycle.py",
    "forwarder/log_intake.py",
    "forwarder/log_records.py",
    "forwarder/log_settings.py",
    "forwarder/never_began.py",
    "forwarder/metric_aggregation.py",
    "forwarder/metric_points.py",
    "forwarder/metric_series.py",
    "forwarder/metric_templates.py",
    "forwarder/otlp_answer.py",
    "forwarder/otlp_http.py",
    "forwarder/otlp_json.py",
    "forwarder/platform_events.py",
    "forwarder/platform_lines.py",
    "forwarder/patience.py",
    "forwarder/peaks.py",
    "forwarder/protobuf.py",
    "forwarder/report_metrics.py",
    "forwarder/resource.py",
    "forwarder/retry_queue.py",
    "forwarder/self_report.py",
    "forwarder/settings.py",
    "forwarder/spans.py",
    "forwarder/unfinished.py",
    "forwarder/otlp_request.py",
    "forwarder/proxy.py",
    "forwarder/sigv4.py",
    "forwarder/spool_format.py",
    "forwarder/tally.py",
    "forwarder/distribution.py",
    "forwarder/emf.py",
    "forwarder/emf_metrics.py",
    "forwarder/statsd.py",
    "forwarder/statsd_metrics.py",
    "forwarder/url.py",
    "forwarder/usage.py",
    "forwarder/usage_metrics.py",
    "local/levels.py",
    "local/live.py",
    "local/log_stream.py",
    "local/metric_series.py",
    "local/otlp_data.py",
    "local/platform_events.py",
    "local/quantity.py",
    "local/sandbox_state.py",
    "local/telemetry_subscription.py",
)
IMPURE = words(
    "os posix sys time _socket socket select selectors ssl subprocess signal _thread",
    "threading asyncio",
    "aiohttp tempfile random secrets uuid http urllib.request shutil pathlib io contextlib",
)


class Imports(ast.NodeVisitor):
    """Names of the modules a file imports, `if TYPE_CHECKING:` left out."""

    def __init__(self, file: str) -> None:
        self.top: set[str] = set()
        self.inside: set[str] = set()
        self._depth = 0
        self.visit(ast.parse((PACKAGE / file).read_text()))

    def visit_Import(self, node: ast.Import) -> None:
        self._add(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute: a file's neighbours are read off its text"
        module = node.module or ""
        if module.partition(".")[0] == NAME:
            self._add(submodule(module, alias.name) for alias in node.names)
        else:
            self._add([module])

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def _function(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def _add(self, names: Iterable[str]) -> None:
        (self.inside if self._depth else self.top).update(names)


def submodule(package: str, name: str) -> str:
    """`package.name` where that is a module, else `package`, whose attribute it is."""
    path = ROOT / package.replace(".", "/") / name
    return f"{package}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else package


def ours(names: Iterable[str]) -> set[str]:
    """Those of our package, relative to it."""
    return {
        name[len(NAME) + 1 :] or "."
        for name in names
        if name == NAME or name.startswith(NAME + ".")
    }


def within(name: str, parents: Iterable[str]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def all_files() -> list[str]:
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def start_path_files() -> list[str]:
    files = [file for file in all_files() if file.startswith(START_PATHS)]
    assert set(files) >= ON_DEMAND
    return sorted(set(files) - ON_DEMAND)


@pytest.mark.parametrize("file", all_files())
def test_a_file_imports_what_its_row_says(file: str) -> None:
    found = Imports(file)
    assert file in TABLE, f"{file} has no row in the table"
    assert Row(ours(found.top), ours(found.inside)) == TABLE[file]


def test_no_row_outlives_its_file() -> None:
    assert set(TABLE) <= set(all_files())


@pytest.mark.parametrize(
    ("side", "other"), [("wrapper/", "forwarder"), ("forwarder/", "wrapper"), ("local/", "wrapper")]
)
def test_the_sides_meet_in_wire_alone(side: str, other: str) -> None:
    rows = [row for file, row in TABLE.items() if file.startswith(side)]
    assert rows
    for top, inside in rows:
        assert not [name for name in top | inside if within(name, [other])]


def test_wire_imports_next_to_nothing() -> None:
    found = Imports("wire.py")
    assert (found.top, found.inside) == ({"__future__", "_struct"}, {"binascii"})


@pytest.mark.parametrize("pattern", PURE)
def test_pure_modules_import_nothing_that_acts(pattern: str) -> None:
    found = sorted(PACKAGE.glob(pattern))
    assert found
    for path in found:
        imported = Imports(path.relative_to(PACKAGE).as_posix())
        assert not [name for name in imported.top | imported.inside if within(name, IMPURE)]


def test_coverage_is_held_to_the_pure_modules() -> None:
    configured = Coverage(config_file=str(ROOT / "pyproject.toml")).get_option("report:include")
    assert configured == [f"serverless_instrument/{pattern}" for pattern in PURE]


def test_triggers_know_events_and_nothing_else() -> None:
    rows = {file: row for file, row in TABLE.items() if file.startswith("wrapper/triggers/")}
    for file, (top, inside) in rows.items():
        # Routes are percent-encoded, as baggage is.
        allowed = ["wrapper.triggers", "wrapper.propagation"]
        assert not [name for name in top | inside if not within(name, allowed)], file


def test_the_package_itself_imports_nothing_at_its_top() -> None:
    assert Imports("__init__.py").top <= {"__future__"}


@pytest.mark.parametrize("file", start_path_files())
def test_start_path_modules_import_nothing_dear_at_their_top(file: str) -> None:
    banned = BANNED_AT_TOP - (ALREADY_IN_THE_RUNTIME if file.startswith("wrapper/") else set())
    assert not [name for name in Imports(file).top if within(name, banned)]


@pytest.mark.parametrize("file", all_files())
def test_the_sdk_is_imported_only_where_it_is_asked_for(file: str) -> None:
    found = Imports(file)
    heavy = [name for name in found.top | found.inside if within(name, ["opentelemetry", "wrapt"])]
    if file.startswith("local/"):  # the local receiver decodes with the official messages
        heavy = [name for name in heavy if not within(name, ["opentelemetry.proto"])]
    top = [name for name in heavy if name in found.top]
    assert not heavy or file in ON_DEMAND or (file == MAY_ASK and not top)


@pytest.mark.parametrize("file", [file for file in all_files() if file.startswith("forwarder/")])
def test_the_forwarder_needs_the_standard_library_only(file: str) -> None:
    found = Imports(file)
    assert {name.partition(".")[0] for name in found.top | found.inside} <= {
        *sys.stdlib_module_names,
        NAME,
    }


# Of others' modules, at the most.
OTHERS_LIMIT = {"init_hello": 5, "forwarder_register": 10, "forwarder_next": 15}


@pytest.mark.integration
@pytest.mark.parametrize("start", sorted(OTHERS_LIMIT))
def test_a_start_loads_what_is_recorded_and_little_besides(start: str) -> None:
    """The tree as the layer lays it out, without the packages it bundles: nothing may need them."""
    found = start_modules.measured(start)
    assert start_modules.loaded(start) == start_modules.recorded(start)
    assert not [name for name in found.seen if within(name, BANNED_AT_TOP)]
    others = {name for name in found.seen if not within(name, [NAME])}
    assert len(others) <= OTHERS_LIMIT[start], others
