"""Imports what is not there."""

from os import no_such_name
