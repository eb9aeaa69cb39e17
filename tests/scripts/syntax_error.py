def custom_sagemaker_invocation_handler(request)
    return "a colon is missing"
