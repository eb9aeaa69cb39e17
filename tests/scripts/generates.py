"""A handler that drives the engine client itself, and counts what it does in a metric of its own."""

import prometheus_client

cakes = prometheus_client.Counter("cakes", "Cakes that were asked for")


async def custom_sagemaker_invocation_handler(request):
    cakes.inc()
    engine = request.app.state.engine_client
    prompt = (await request.json())["prompt"]
    async for output in engine.generate(prompt, {"max_tokens": 3}, "its-own-id"):
        pass
    return {"text": output.outputs[0].text}
