from model_hosting_container_standards.sagemaker import register_load_adapter_handler, register_unload_adapter_handler


@register_load_adapter_handler
async def load(request):
    return {"loaded": await request.json()}


@register_unload_adapter_handler(None, None)
def unload(adapter_name: str):
    return {"unloaded": adapter_name}
