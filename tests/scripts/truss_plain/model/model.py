from __future__ import annotations

import os
from dataclasses import dataclass

import helper
import in_packages
from fastapi import Request
from model.helper import GREETING


@dataclass
class Loaded:
    greeting: str


class Model:
    def __init__(self, config, data_dir, secrets, trt_llm, **kwargs):
        self.given = {"config": config["model_name"], "data_dir": data_dir.name, "more": sorted(kwargs)}
        self.secrets = secrets
        self.engine = trt_llm["engine"]
        self.loaded = None

    async def load(self):
        self.loaded = Loaded(GREETING + helper.GREETING)

    def is_healthy(self):
        return not os.environ.get("SICK")

    async def predict(self, model_input, request):
        if "sleep" in model_input:
            import asyncio

            await asyncio.sleep(model_input["sleep"])
        return {
            **self.given,
            "loaded": self.loaded.greeting,
            "place": in_packages.PLACE,
            "path": request.url.path,
            "secret": self.secrets.get("api_key", "no secret"),
            "input": model_input,
        }

    async def completions(self, model_input: dict, request: Request):
        return await self.engine.completions(request=request, model_input={**model_input, "prompt": "from the Model"})
