import functools


def logged(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


@logged
async def custom_sagemaker_invocation_handler(body: dict):
    return {"prompt": body["prompt"]}
