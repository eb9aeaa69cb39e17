"""An application with everything that one may have."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from handrail import Engine, get_engine
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

LIFE = []


@asynccontextmanager
async def lifespan(app):
    LIFE.append(f"begun with {type(app.state.engine_client).__name__}")
    yield {"loaded": "an index", "session": "of a client", "request_id": "hidden"}
    LIFE.append("ended")
    print("the lifespan has ended", flush=True)


app = FastAPI(lifespan=lifespan, title="Mine")
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["*"])
app.mount("/static", StaticFiles(directory=__file__.rpartition("/")[0]), name="static")


class Asked(BaseModel):
    prompt: str


class OutOfStock(Exception):
    pass


@app.exception_handler(OutOfStock)
async def out_of_stock(request, error):
    return JSONResponse({"sold": "out"}, 409)


@app.middleware("http")
async def stamp(request: Request, call_next):
    if request.url.path == "/of-the-middleware":
        return JSONResponse({"by": "the middleware"})
    answer = await call_next(request)
    answer.headers["X-Stamp"] = f"{request.method} {request.url.path}"
    return answer


def customer(request: Request):
    return request.headers.get("x-customer", "nobody")


@app.post("/invocations")
async def answer(asked: Asked, request: Request, who: Annotated[str, Depends(customer)]):
    completion = await request.app.state.engine.completions(request, {"prompt": asked.prompt})
    return {"said": completion.choices[0].text, "who": who, "loaded": request.state.loaded, "own": request.app is app}


@app.post("/v1/chat/completions")
async def chat(body: dict, engine: Annotated[Engine, Depends(get_engine)]):
    return {"mine": await engine.completions(model_input={"prompt": body["prompt"]})}


@app.get("/state")
async def state(request: Request):
    return [request.state.session, request.state.request_id]


@app.get("/life")
async def life():
    return LIFE


@app.get("/sold-out")
async def sold_out():
    raise OutOfStock


@app.get("/refused")
async def refused():
    raise HTTPException(418, {"teapot": True})


@app.get("/broken")
def broken():
    return 1 / 0


@app.get("/stream")
async def stream():
    async def pieces():
        for word in ("one ", "two ", "three"):
            yield word

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/stream-breaks")
async def stream_breaks():
    async def pieces():
        yield "one "
        raise ValueError("in the middle")

    return StreamingResponse(pieces(), media_type="text/plain")


@app.post("/later")
async def later(tasks: BackgroundTasks):
    async def remember():
        await asyncio.sleep(0.05)
        LIFE.append("remembered")

    tasks.add_task(remember)
    return {"will": "do"}


@app.get("/waits")
async def waits():
    try:
        await asyncio.Event().wait()
    finally:
        LIFE.append("its client left")


router = APIRouter(prefix="/shop", dependencies=[Depends(customer)])


@router.get("/{item}")
async def item(item: str, request: Request):
    return {"item": item, "url": str(request.url_for("item", item=item).path)}


app.include_router(router)


@app.websocket("/ws/{name}")
async def socket(socket: WebSocket, name: str, engine: Annotated[Engine, Depends(get_engine)]):
    await socket.accept()
    async for text in socket.iter_text():
        if text == "break":
            raise ValueError("as asked")
        completion = await engine.completions(socket, {"prompt": text})
        await socket.send_json({name: completion.choices[0].text, "loaded": socket.state.loaded})


inner = FastAPI()


@inner.get("/known")
async def known(request: Request):
    return {"root_path": request.scope["root_path"]}


@inner.get("/breaks")
async def breaks():
    raise KeyError("inside")


app.mount("/inner", inner)
