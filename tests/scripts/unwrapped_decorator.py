def logged(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
async def custom_sagemaker_invocation_handler(request):
    return {"prompt": (await request.json())["prompt"]}
