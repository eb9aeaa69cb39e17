from typing import Annotated

from fastapi import Depends, FastAPI, Request
from handrail import Engine, get_engine

app = FastAPI()


@app.post("/generate")
async def generate(body: dict, engine: Annotated[Engine, Depends(get_engine)], request: Request):
    completion = await engine.completions(request, {"prompt": body["prompt"]})
    return {"said": completion.choices[0].text, "is_app": request.app is app, "path": request.url.path}


@app.get("/hello/{name}")
def hello(name: str):
    return {"hello": name}
