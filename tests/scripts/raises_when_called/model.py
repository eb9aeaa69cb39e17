import helper_that_raises


def custom_sagemaker_invocation_handler(request):
    return helper_that_raises.fail()


def direct():
    raise ValueError("direct")


def in_a_library():
    import json

    return json.loads("{")
