from __future__ import annotations


async def custom_sagemaker_invocation_handler(body: Bdoy):
    return body
