"""A health check that says no, and another that raises."""


async def custom_sagemaker_ping_handler(request):
    return False


async def raising(request):
    raise RuntimeError("the check itself broke")
