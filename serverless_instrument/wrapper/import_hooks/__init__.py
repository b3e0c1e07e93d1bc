"""What follows from an import of the function's: hooks, package conflicts, lean imports."""
