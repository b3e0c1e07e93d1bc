import logging

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def handler(event, context):
    for number in range(200):
        logger.info("item %d of the order is in stock", number)
    return "hello"
