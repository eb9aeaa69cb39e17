"""A Truss whose coroutines block."""

import asyncio
import threading

from vllm import LLM


class Model:
    async def load(self):
        self.llm = LLM()
        self.lock = asyncio.Lock()
        self.loop = asyncio.get_running_loop()
        self.asked = 0

    async def is_healthy(self):
        self.asked += 1
        return True

    async def predict(self, model_input):
        async with self.lock:
            said = self.llm.generate(model_input["prompt"])
        return {"said": said, "on": threading.current_thread().name, "same": self.loop is asyncio.get_running_loop()}
