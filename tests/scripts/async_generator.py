async def custom_sagemaker_invocation_handler(request):
    for word in (await request.json())["prompt"].split():
        yield word
