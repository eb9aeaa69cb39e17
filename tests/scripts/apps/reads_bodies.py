"""Bodies, read in each way, behind two middlewares; and groups of the author's own exceptions."""

import asyncio

from fastapi import FastAPI, HTTPException, Request

app = FastAPI()


@app.middleware("http")
async def inner(request, call_next):
    return await call_next(request)


@app.middleware("http")
async def outer(request, call_next):
    return await call_next(request)


@app.post("/bytes")
async def as_bytes(request: Request):
    return len(await request.body())


@app.post("/json")
async def as_json(body: dict):
    return body


async def refused():
    raise HTTPException(418)


async def wrong():
    raise ValueError("of the author")


@app.post("/both")
async def both(request: Request):
    async with asyncio.TaskGroup() as group:
        group.create_task(request.body())
        group.create_task(wrong())


@app.post("/one")
async def one():
    async with asyncio.TaskGroup() as group:
        group.create_task(refused())
