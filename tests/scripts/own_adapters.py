"""As a framework under AWS's container has them: an engine of its own, and shapes that name what it takes."""

import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Response

ADAPTERS = {}


@sagemaker_standards.register_load_adapter_handler(
    request_shape={
        "name": "body.name",
        "options": {"source": "body.src", "in_place": "body.load_inplace || `false`"},
        "header": "headers.\"x-note\" || 'no header'",
        "fail": 'headers."X-Fail"',
    },
    response_shape={},
)
async def load(given, raw_request):
    if given.fail:
        return Response("a teapot", 418)
    ADAPTERS[given.name] = [*given.options.values(), given.header]
    return Response(status_code=200)


@sagemaker_standards.register_unload_adapter_handler(request_shape={})
def unload(raw_request):
    del ADAPTERS[raw_request.path_params["adapter_name"]]


@sagemaker_standards.custom_invocation_handler
async def invocation(request):
    return ADAPTERS
