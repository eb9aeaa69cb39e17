async def handle(inputs):
    return {"mine": inputs}
