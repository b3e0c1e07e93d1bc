"""Log lines of the function: captured from logging and output, encoded, sent at once."""
