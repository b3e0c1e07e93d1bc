"""Records metrics in both ways, works for a while and ends as its event asks."""

import time

from opentelemetry import metrics

from serverless_instrument import metric

WORK_CPU_S = 0.1

meter = metrics.get_meter("shop", "1")
packed = meter.create_counter("shop.packed", "{item}")
weight = meter.create_histogram("shop.weight", "g")


class OutOfStockError(LookupError):
    """Raised on request."""


def work():
    until_s = time.process_time() + WORK_CPU_S
    while time.process_time() < until_s:
        pass


def handler(event, context):
    wanted = event.get("wanted", {})
    if wanted.get("hang"):
        time.sleep(60)
    metric("shop.orders", 3, unit="{order}", attributes={"kind": "book"}, kind="counter")
    metric("shop.basket", wanted["basket"], unit="EUR")
    metric("shop.queue", wanted["basket"], kind="gauge")
    packed.add(2, {"kind": "book"})
    weight.record(wanted["basket"])
    work()
    if wanted.get("raise"):
        raise OutOfStockError(f"no {wanted['raise']} left")
    return {"statusCode": 200, "body": "packed"}
