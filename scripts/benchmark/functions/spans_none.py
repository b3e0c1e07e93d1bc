def handler(event, context):
    for _number in range(100):
        pass
    return "hello"
