"""An application whose coroutines block: one loop has its lifespan, its task, its lock and its futures."""

import asyncio
import contextvars
import threading
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from vllm import LLM

llm = LLM()
who = contextvars.ContextVar("who", default="nobody")
queue = asyncio.Queue()
lock = asyncio.Lock()
cancelled = threading.Event()
ended = []


async def batching():
    while True:
        prompt, future = await queue.get()
        async with lock:
            future.set_result(llm.generate(prompt))


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(batching())
    yield {"loop": asyncio.get_running_loop()}
    task.cancel()
    ended.append(threading.current_thread().name)


app = FastAPI(lifespan=lifespan)


@app.add_middleware
class Named:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        who.set(dict(scope.get("headers", ())).get(b"x-who", b"nobody").decode())
        await self.app(scope, receive, send)


@app.get("/ping")
async def ping():
    return {"status": "mine"}


@app.post("/invocations")
async def invocations(request: Request):
    prompt = (await request.body()).decode()
    return {"said": llm.generate(prompt), "left": await request.is_disconnected()}


@app.post("/batched")
async def batched(request: Request):
    future = asyncio.get_running_loop().create_future()
    await queue.put(("quick", future))
    said = await future
    async with lock:
        return {"said": said, "who": who.get(), "same": request.state.loop is asyncio.get_running_loop()}


@app.post("/thread")
def in_thread():
    return threading.current_thread().name


@app.post("/wait")
async def wait():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        cancelled.set()
        raise


@app.post("/fail")
async def fail():
    raise KeyError("lost")  # the line that fails


@app.post("/exit")
async def leave():
    raise SystemExit(3)


@app.post("/stream")
async def stream(request: Request):
    async def pieces():
        try:
            for number in range(int((await request.body()) or 3)):
                yield f"{number}\n"
                await asyncio.sleep(0)
        finally:
            cancelled.set()

    return StreamingResponse(pieces(), media_type="text/plain")


@app.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{text} {llm.generate('quick')} {threading.current_thread().name}")


@app.get("/loop")
async def on_the_main_threads_loop():
    return threading.current_thread() is threading.main_thread()
