"""Everything is there without the main guard."""

import uvicorn
from fastapi import FastAPI
from vllm import LLM

app = FastAPI()
llm = LLM("demo")


@app.post("/invocations")
def invocations():
    return llm.model


if __name__ == "__main__":
    raise RuntimeError("the guard was run")
    uvicorn.run(app)
