class Thing:
    __slots__ = ()


def custom_sagemaker_invocation_handler(request):
    return {"fine": 1, "list": [Thing()]}
