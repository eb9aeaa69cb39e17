import asyncio

from fastapi import FastAPI, Request

app = FastAPI()
LEFT = []


@app.get("/left")
async def left():
    return LEFT


@app.post("/waits")
async def waits(request: Request):
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    LEFT.append(request.url.path)
