import os

import requests

url = os.environ["BENCH_URL"]


def handler(event, context):
    return requests.get(url, timeout=10).status_code
