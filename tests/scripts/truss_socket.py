import asyncio
import logging

from fastapi import HTTPException
from starlette.exceptions import WebSocketException


class Model:
    def __init__(self, secrets):
        self.secrets = secrets

    async def websocket(self, websocket):
        said = await websocket.receive_text()
        while said != "done":
            await getattr(self, said.partition(" ")[0])(websocket, said)
            said = await websocket.receive_text()

    async def echo(self, websocket, said):
        await websocket.send_text(said)

    async def where(self, websocket, said):
        await websocket.send_json([websocket.url.path, websocket.state.request_id])

    async def close(self, websocket, said):
        await websocket.close(4000, "mine")
        raise RuntimeError("after its end")

    async def fail(self, websocket, said):
        raise ValueError("the details")

    async def refuse(self, websocket, said):
        raise HTTPException(429, "slow down")

    async def choose(self, websocket, said):
        raise WebSocketException(4001, "chosen")

    async def cancel(self, websocket, said):
        raise asyncio.CancelledError

    async def flood(self, websocket, said):
        while True:
            await websocket.send_text("drop")
            await asyncio.sleep(0.01)

    async def hang(self, websocket, said):
        logging.warning("hanging")
        await asyncio.sleep(60)
