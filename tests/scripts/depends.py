from fastapi import Depends

CLOSED = []


async def connection():
    yield "open"
    CLOSED.append("connection")


async def custom_sagemaker_invocation_handler(connection=Depends(connection)):
    return {"connection": connection, "closed": len(CLOSED)}
