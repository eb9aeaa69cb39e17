def custom_sagemaker_invocation_handler(request):
    return request.messages
