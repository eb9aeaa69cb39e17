async def custom_sagemaker_invocation_handler(body: dict):
    return {"prompt": body["prompt"]}
