async def handle(inputs):
    return None
