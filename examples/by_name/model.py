"""No decorator and no setting: the two functions are found by their names."""

from typing import Any

from handrail import Engine


async def custom_sagemaker_ping_handler() -> dict[str, str]:
    return {"status": "healthy"}


async def custom_sagemaker_invocation_handler(request, engine: Engine) -> Any:  # noqa: ANN001  the first needs no type
    body = await request.json()
    text = ""
    async for output in engine.generate(body["prompt"], {"max_tokens": 64, "temperature": 0}):
        text = output.outputs[0].text
    return {"prompt": body["prompt"], "text": text}
