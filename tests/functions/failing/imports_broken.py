"""Imports a broken module."""

import broken_syntax
