from fastapi import Request


async def custom_sagemaker_invocation_handler(raw_request: Request):
    return {"prompt": (await raw_request.json())["prompt"]}
