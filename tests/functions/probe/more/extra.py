"""Found only where PYTHONPATH names its directory."""

WORD = "from PYTHONPATH"
