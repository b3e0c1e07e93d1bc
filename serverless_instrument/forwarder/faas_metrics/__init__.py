"""Metrics of the function itself: faas.*, aws.lambda.*, CPU and memory, cost."""
