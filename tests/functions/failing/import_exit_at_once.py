"""Fails at import."""

import os

os._exit(5)
