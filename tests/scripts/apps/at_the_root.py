"""A mount at the root takes each path: the engine's routes come before it."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.post("/a")
async def a():
    return "a"


@app.post("/b")
async def b(body: dict):
    return {"b": body}


sub = FastAPI()


@sub.post("/chat/completions")
async def chat():
    return "of the mount"


app.mount("/v1", sub)
app.mount("/", StaticFiles(directory=HERE, html=True))
