"""Builds the Lambda layer: a zip that Lambda unpacks at /opt.

https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
"""
