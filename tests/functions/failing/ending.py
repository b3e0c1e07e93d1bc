"""Ends in ways that leave no time for goodbyes."""

import os
import signal
import time


def is_killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps_once(event, context):
    if event.get("sleep"):
        time.sleep(60)
    return "awake"
