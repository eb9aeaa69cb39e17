from handrail import custom_invocation_handler


@custom_invocation_handler
def decorated():
    return "decorated"


def custom_sagemaker_invocation_handler():
    return "named"


def referenced():
    return "referenced"
