async def custom_sagemaker_invocation_handler(request):
    engine = request.app.state.engine
    return await engine.chat_completions(request=request, model_input=await request.json())
