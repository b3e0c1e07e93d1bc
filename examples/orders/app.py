"""Orders of a small shop, with metrics of its own and without OpenTelemetry in the function."""

from serverless_instrument import metric

QUEUE = ["A-1000", "A-1001"]


def handler(event, context):
    """Take an order: {"id": "A-1002", "items": [{"kind": "book", "price": 12.5}, …]}."""
    items = event["items"]
    for item in items:
        metric("shop.items", 1, unit="{item}", attributes={"kind": item["kind"]}, kind="counter")
    total = sum(item["price"] for item in items)
    metric("shop.order.value", total, unit="EUR")
    QUEUE.append(event["id"])
    metric("shop.queue.length", len(QUEUE), unit="{order}", kind="gauge")
    return {"id": event["id"], "total": total}
