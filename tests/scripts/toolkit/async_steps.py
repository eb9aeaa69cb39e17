import asyncio


async def model_fn(model_dir):
    await asyncio.sleep(0)
    return "loaded"


async def predict_fn(data, model):
    await asyncio.sleep(0)
    return model
