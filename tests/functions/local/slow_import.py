"""Slow the first time only: where the environment has been initialised before, a marker says so."""

import os
import time

if not os.path.exists(os.environ["MARKER"]):
    open(os.environ["MARKER"], "w").close()
    time.sleep(60)


def handler(event, context):
    return "up at last"
