"""Recurses at import."""


def recurse():
    recurse()


recurse()
