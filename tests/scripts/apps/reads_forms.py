"""A form behind a middleware."""

from typing import Annotated

from fastapi import FastAPI, Form

app = FastAPI()


@app.middleware("http")
async def passes(request, call_next):
    return await call_next(request)


@app.post("/form")
async def as_form(name: Annotated[str, Form()]):
    return name
