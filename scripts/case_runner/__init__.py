"""Runs cases: small functions, each bare and with the layer, in the local Lambda."""
