class Client:
    pass


async def custom_sagemaker_invocation_handler(client: Client):
    return client
