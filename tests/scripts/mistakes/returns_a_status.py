async def custom_sagemaker_invocation_handler(request):
    return {"error": "no"}, 404
