from fastapi import FastAPI
from handrail import Engine

app = FastAPI()


@app.post("/invocations")
async def answer(body: dict, engine: Engine):
    return await engine.completions(model_input=body)
