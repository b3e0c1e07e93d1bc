import logging

logger = logging.getLogger("budget")
logger.setLevel(logging.INFO)


def handler(event, context):
    for number in range(event["count"]):
        logger.info("item %d of the order is in stock", number)
