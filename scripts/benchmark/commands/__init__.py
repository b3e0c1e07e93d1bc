"""A module for each command of ``scripts/bench``, with its ``main(arguments)`` and ``--help``."""
