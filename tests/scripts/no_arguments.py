async def custom_sagemaker_invocation_handler():
    return "nothing taken"
