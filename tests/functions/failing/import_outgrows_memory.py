import ending

ending.takes(1024)


def handler(event, context):
    return None
