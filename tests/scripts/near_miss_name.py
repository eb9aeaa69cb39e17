async def custom_sagemaker_invocations_handler(request):
    return "one letter too many"
