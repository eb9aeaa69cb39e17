from handrail import custom_invocation_handler


@custom_invocation_handler
def custom_sagemaker_invocation_handler():
    return "one function, two rungs"
