"""Fails at import."""

import os

os.no_such_name
