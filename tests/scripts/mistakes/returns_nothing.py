async def custom_sagemaker_invocation_handler(request):
    await request.json()
