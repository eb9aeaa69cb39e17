async def custom_sagemaker_invocation_handler(request):
    return 1, 2
