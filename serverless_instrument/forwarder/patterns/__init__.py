"""The user's patterns: which lines leave, and what is hidden in everything that leaves."""
