"""Instruction counts that may not grow, and the modules that each process starts with.

The budgets are in tests/benchmarks/budgets.json; ``scripts/bench budgets --record`` writes them.
"""
