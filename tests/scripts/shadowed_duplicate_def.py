from handrail import custom_invocation_handler


@custom_invocation_handler
def infer():
    return 1


@custom_invocation_handler
def infer():
    return 2
