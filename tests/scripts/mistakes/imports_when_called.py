def custom_sagemaker_invocation_handler(request):
    import a_package_nobody_has.inside

    return a_package_nobody_has
