import asyncio
from pathlib import Path

from djl_python.input_parser import init_handler, prediction_handler


@init_handler
async def load(model_dir):
    (Path(model_dir) / "loading").touch()
    await asyncio.Event().wait()


@prediction_handler
def predict(data, model):
    return data
