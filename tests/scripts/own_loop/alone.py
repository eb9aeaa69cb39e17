"""An application whose handlers block and share nothing."""

import asyncio
import threading
from contextlib import asynccontextmanager

import vllm_stand_in  # noqa: F401
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
    return {"on": threading.current_thread().name}


@app.post("/invocations")
async def invocations(request: Request):
    body = await request.body()
    asked = {"prompt": body.decode()}
    asked["said"] = models["llm"].generate(asked["prompt"])
    return {**asked, "on": threading.current_thread().name}


@app.post("/quick")
async def quick():
    await asyncio.sleep(0)
    return threading.current_thread().name


@app.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    await socket.send_text(threading.current_thread().name)
