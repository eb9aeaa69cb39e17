async def custom_sagemaker_invocation_handler(request, temperature):
    return temperature
