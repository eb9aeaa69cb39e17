"""Background tasks that work until `/go`, behind a middleware."""

import asyncio

from fastapi import BackgroundTasks, FastAPI
from starlette.responses import StreamingResponse

app = FastAPI()
go = asyncio.Event()


async def work():
    await go.wait()
    print("the work is done", flush=True)


async def fail():
    await go.wait()
    raise ValueError("the work failed")


@app.middleware("http")
async def around(request, call_next):
    return await call_next(request)


@app.get("/works")
async def works(tasks: BackgroundTasks):
    tasks.add_task(work)
    return "working"


@app.get("/fails")
async def fails(tasks: BackgroundTasks):
    tasks.add_task(fail)
    return "failing"


@app.get("/stream")
async def stream():
    async def pieces():
        yield "one "
        await go.wait()
        yield "two"

    return StreamingResponse(pieces())


@app.get("/go")
async def let_go():
    go.set()
    return "gone"
