async def custom_sagemaker_invocations_handler(request):
    return 1
