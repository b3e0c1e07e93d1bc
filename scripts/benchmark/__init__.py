"""What instrumentation costs: ``scripts/bench``, a module of `commands` for each command."""
