"""Takes all the time there is before there is a handler."""

import time

time.sleep(60)
