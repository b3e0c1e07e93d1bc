"""Stock of a small shop: GET /items/{id} answers with the item, its price and its availability."""

import json
import logging
import time
from decimal import Decimal

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

CATALOGUE = {
    "tea-4711": {"name": "Assam, second flush, 100 g", "price": Decimal("8.90")},
    "pot-0815": {"name": "Teapot, stoneware, 1.2 l", "price": Decimal("34.00")},
    "cup-0002": {"name": "Cup, stoneware, 0.2 l", "price": Decimal("12.50")},
}
STOCK = {"tea-4711": 42, "pot-0815": 3, "cup-0002": 0}
LOW_STOCK = 5

WAREHOUSE_ANSWER_S = 0.012


class UnknownItemError(LookupError):
    """No such item in the catalogue."""


def units_in_stock(item_id):
    """Ask the warehouse; it takes a moment to answer."""
    time.sleep(WAREHOUSE_ANSWER_S)
    return STOCK[item_id]


def find_item(item_id):
    """The catalogue's entry for an item, with its stock."""
    try:
        item = CATALOGUE[item_id]
    except KeyError:
        raise UnknownItemError(item_id) from None
    units = units_in_stock(item_id)
    logger.info("stock of %s: %d", item_id, units)
    if 0 < units < LOW_STOCK:
        logger.warning("item %s is running low: %d left", item_id, units)
    return {
        "id": item_id,
        "name": item["name"],
        "price": {"amount": str(item["price"]), "currency": "EUR"},
        "available": units > 0,
        "units": units,
    }


def respond(status, body):
    """A response as an HTTP API expects it."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "max-age=30"},
        "body": json.dumps(body),
    }


def handler(event, context):
    """GET /items/{id}."""
    item_id = event["pathParameters"]["id"]
    logger.info("looking up item %s", item_id)
    try:
        item = find_item(item_id)
    except UnknownItemError:
        logger.warning("item %s is not in the catalogue", item_id)
        return respond(404, {"message": f"no item {item_id}"})
    print(f"served {item['name']}")
    return respond(200, item)
