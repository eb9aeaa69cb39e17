import model_hosting_container_standards.sagemaker as sagemaker_standards
from model_hosting_container_standards.logging_config import logger


@sagemaker_standards.custom_ping_handler
async def my_ping(request):
    return {"status": "ok"}


@sagemaker_standards.custom_invocation_handler
async def my_invoke(request):
    logger.info("invoked")
    return {"prompt": (await request.json())["prompt"]}
