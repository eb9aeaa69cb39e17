async def custom_sagemaker_invocation_handler(request):
    return [item async for item in [1, 2]]
