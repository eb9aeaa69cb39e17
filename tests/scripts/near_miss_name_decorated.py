from handrail import custom_invocation_handler


@custom_invocation_handler
async def custom_sagemaker_invocations_handler(request):
    return "its name does not matter"
