from model_hosting_container_standards.sagemaker import register_create_session_handler


@register_create_session_handler("body.id")
async def open_session(raw_request):
    return {"id": "of-the-engine"}
