"""Import machinery: hooks that run after an import, lean imports, package conflicts."""
