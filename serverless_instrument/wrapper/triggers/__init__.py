"""Event sources: one file each, loaded when its first event comes."""
