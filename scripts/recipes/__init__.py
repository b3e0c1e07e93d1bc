"""What ``scripts/new`` writes: the files of something new, and its lines in the lists there are."""
