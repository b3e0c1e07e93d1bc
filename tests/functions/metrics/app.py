"""A function that measures, in the ways that functions do."""

import os
import sys

import serverless_instrument

ORDERS, DURATION = "orders", "work.duration"


def own(event, context):
    """Without any OpenTelemetry."""
    serverless_instrument.metric(ORDERS, 3, unit="{order}", kind="counter")
    serverless_instrument.metric(DURATION, event["ms"], unit="ms")
    return "opentelemetry" in sys.modules


def api(event, context):
    """With OpenTelemetry's API, which makes no SDK necessary."""
    from opentelemetry import metrics

    meter = metrics.get_meter("shop")
    meter.create_counter(ORDERS, "{order}").add(3)
    meter.create_histogram(DURATION, "ms").record(event["ms"])
    meter.create_up_down_counter("open").add(1)
    return "opentelemetry.sdk.metrics" in sys.modules


def provider(event, context):
    """With the SDK's provider, made by the function, and a reader of its own."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

    global reader
    if "reader" not in globals():
        reader = InMemoryMetricReader()
        view = View(
            instrument_name=DURATION, aggregation=ExponentialBucketHistogramAggregation()
        )
        metrics.set_meter_provider(MeterProvider([reader], views=[view], shutdown_on_exit=False))
    meter = metrics.get_meter("shop")
    meter.create_counter(ORDERS, "{order}").add(3)
    meter.create_histogram(DURATION, "ms").record(event["ms"])
    metrics.get_meter_provider().force_flush()
    seen = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: metric.data.data_points[0].count for metric in seen if metric.unit == "ms"}


def crashes(event, context):
    serverless_instrument.metric(ORDERS, 3, kind="counter")
    if event["crash"]:
        os._exit(7)


def hangs(event, context):
    import time

    serverless_instrument.metric(ORDERS, 3, kind="counter")
    time.sleep(60)


def leaves(event, context):
    serverless_instrument.metric(ORDERS, 3, kind="counter")
    sys.exit(3)


def hangs_in_callback(event, context):
    import time

    from opentelemetry import metrics

    def wait(options):
        time.sleep(60)

    metrics.get_meter("shop").create_observable_gauge("never", [wait])
    time.sleep(60)  # the handler's own stack
