"""The function to run: its settings, its layer, its interpreter, and how it is launched."""
