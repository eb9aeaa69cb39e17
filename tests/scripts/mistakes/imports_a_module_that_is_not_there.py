def custom_sagemaker_invocation_handler(request):
    import starlette.no_such_module.inside

    return starlette.no_such_module
