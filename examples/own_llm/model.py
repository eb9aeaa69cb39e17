"""Builds vLLM's `LLM` itself, as a script for plain vLLM does: `python model.py` runs it without Handrail."""

import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from vllm import LLM, SamplingParams

MODEL = os.environ.get("MODEL", str(Path(__file__).resolve().parent.parent / "model"))

app = FastAPI()
llm = LLM(model=MODEL, max_model_len=1024, dtype="float32")


class Question(BaseModel):
    question: str
    max_tokens: int = 64


@app.get("/ping")
def ping() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/invocations")
def answer(body: Question) -> dict[str, object]:
    messages = [{"role": "user", "content": body.question}]
    sampling = SamplingParams(temperature=0, max_tokens=body.max_tokens)
    (output,) = llm.chat(messages, sampling, use_tqdm=False)
    return {"answer": output.outputs[0].text, "tokens": len(output.outputs[0].token_ids)}


if __name__ == "__main__":
    uvicorn.run(app, port=8080)
