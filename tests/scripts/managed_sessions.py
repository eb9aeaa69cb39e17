from model_hosting_container_standards.sagemaker import custom_invocation_handler, stateful_session_manager


@custom_invocation_handler
@stateful_session_manager("metadata.session_id")
async def invoke(request):
    return await request.json()
