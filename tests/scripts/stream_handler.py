from fastapi import HTTPException, WebSocketException
from starlette.websockets import WebSocketDisconnect

from handrail import Engine, custom_stream_handler


@custom_stream_handler
async def converse(websocket, *, engine: Engine):
    await websocket.accept()
    try:
        async for said in websocket.iter_text():
            if said == "done":
                return
            await DOES.get(said, echo)(websocket, said, engine)
    finally:
        print("converse ended", flush=True)


async def echo(websocket, said, engine):
    await websocket.send_text(said)


async def size(websocket, said, engine):
    await websocket.send_json(len(await websocket.receive_bytes()))


async def tokens(websocket, said, engine):
    await websocket.send_json(len(engine.tokenize("two words")))


async def model(websocket, said, engine):
    answer = await engine.completions(model_input={"prompt": "x"})
    await websocket.send_json([websocket.state.adapter, answer.model])


async def fail(websocket, said, engine):
    raise ValueError("the details")


async def refuse(websocket, said, engine):
    raise HTTPException(429, "slow down")


async def choose(websocket, said, engine):
    raise WebSocketException(4001, "chosen")


async def close(websocket, said, engine):
    await websocket.close(4000, "mine")
    raise WebSocketDisconnect(4000)


DOES = {f.__name__: f for f in (size, tokens, model, fail, refuse, choose, close)}
