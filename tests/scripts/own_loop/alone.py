"""An application whose handlers block and share nothing."""

import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, WebSocket
from vllm import LLM

models = {}


@asynccontextmanager
async def life(app):
    models["llm"] = LLM()
    yield
    models.clear()


app = FastAPI(lifespan=life)


@app.get("/ping")
async def ping():
    return {"on": models["llm"].thread()}


@app.post("/invocations")
async def invocations(request: Request):
    body = await request.body()
    asked = {"prompt": body.decode()}
    asked["said"] = models["llm"].generate(asked["prompt"])
    return {**asked, "on": models["llm"].thread()}


@app.post("/quick")
async def quick():
    await asyncio.sleep(0)
    return models["llm"].thread()


@app.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    await socket.send_text(models["llm"].thread())
