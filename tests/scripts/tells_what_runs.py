from fastapi import Request


async def custom_sagemaker_ping_handler(request: Request):
    return {"running": sorted(request.app.state.engine_client.running)}
