"""What one start takes: time, memory, instructions, modules; and what it may take.

The budgets are in tests/benchmarks/budgets.json; ``scripts/bench budgets --record`` writes them.
"""
