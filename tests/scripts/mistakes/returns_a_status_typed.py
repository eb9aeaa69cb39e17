async def custom_sagemaker_invocation_handler(body: dict):
    return {"error": "no"}, 404
