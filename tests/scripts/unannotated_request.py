async def custom_sagemaker_invocation_handler(anything):
    return {"prompt": (await anything.json())["prompt"]}
