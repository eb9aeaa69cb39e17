"""A shop's assistant as a FastAPI application of its own: its routes, its start, its errors, and its documentation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from handrail import Engine, get_engine
from pydantic import BaseModel

AnEngine = Annotated[Engine, Depends(get_engine)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Runs once the engine is ready, and ends before it stops."""
    yield {"products": json.loads(Path(__file__).with_name("products.json").read_text())}


app = FastAPI(title="The shop's assistant", lifespan=lifespan)


class Question(BaseModel):
    question: str
    product: str | None = None


class NoSuchProduct(Exception):
    pass


@app.exception_handler(NoSuchProduct)
async def no_such_product(request: Request, error: NoSuchProduct) -> JSONResponse:
    return JSONResponse({"sold_here": sorted(request.state.products), "not": str(error)}, status_code=404)


def described(request: Request, name: str) -> str:
    products: dict[str, str] = request.state.products
    if name not in products:
        raise NoSuchProduct(name)
    return products[name]


@app.post("/ask")
async def ask(asked: Question, request: Request, engine: AnEngine) -> dict[str, str | None]:
    """The application's only POST route, so `/invocations` is answered by it too."""
    known = f"{described(request, asked.product)}\n" if asked.product else ""
    messages = [{"role": "user", "content": f"{known}{asked.question}"}]
    completion = await engine.chat_completions(request=request, model_input={"messages": messages, "temperature": 0})
    return {"answer": completion.choices[0].message.content}


@app.get("/products/{name}")
async def product(name: str, request: Request) -> dict[str, str]:
    return {name: described(request, name)}
