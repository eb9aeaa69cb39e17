from fastapi import FastAPI
from handrail import custom_invocation_handler

app = FastAPI(root_path="/behind/a/proxy")


@custom_invocation_handler
async def of_the_decorator(body: dict):
    return {"by": "the decorator"}


@app.post("/invocations")
async def of_the_app(body: dict):
    return {"by": "the app"}


@app.get("/more")
async def more():
    return {"by": "the app"}
