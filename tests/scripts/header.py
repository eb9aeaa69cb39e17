from typing import Annotated

from fastapi import Header


async def custom_sagemaker_invocation_handler(x_tenant: Annotated[str, Header()], body: dict, trace=Header("none")):
    return {"tenant": x_tenant, "prompt": body["prompt"], "trace": trace}
