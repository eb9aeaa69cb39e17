async def custom_sagemaker_ping_handler(request):
    return {"status": "healthy"}


async def custom_sagemaker_invocation_handler(request):
    return {"prompt": (await request.json())["prompt"]}
