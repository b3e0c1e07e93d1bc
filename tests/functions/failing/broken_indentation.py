"""Not indented."""


def handler(event, context):
return 1
