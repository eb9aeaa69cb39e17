"""Each path for which its routes were asked."""

from fastapi import FastAPI, WebSocket
from starlette.routing import BaseRoute, Match

MATCHED = []


class Recording(BaseRoute):
    def matches(self, scope):
        MATCHED.append(scope["path"])
        return Match.NONE, {}


app = FastAPI(routes=[Recording()])


@app.get("/matched")
async def matched():
    return MATCHED


@app.websocket("/socket")
async def socket(connection: WebSocket):
    await connection.accept()
    await connection.close()
