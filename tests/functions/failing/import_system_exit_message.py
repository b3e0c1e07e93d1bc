"""Fails at import."""

import sys

sys.exit("out of tea")
