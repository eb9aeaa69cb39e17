def custom_sagemaker_invocation_handler(request):
    raise MemoryError
