"""`websocket`, and what it cannot be beside."""

from __future__ import annotations

from tests.compat.table import refuses, serves
from tests.truss.words import DIES, files, predict, row, socket

MODEL = """
class Model:
    async def websocket(self, websocket):
        said = await websocket.receive_text()
        if said == "close":
            await websocket.close(4000, "mine")
        elif said == "fail":
            raise ValueError("the details")
        else:
            await websocket.send_text(said * 2)
"""
TRUSS = files(MODEL)
PLAIN = files("class Model:\n    def predict(self, x): return x\n")
SLOW = files("import time\n" + MODEL + "\n    def load(self):\n        time.sleep(3)\n")
STATUS = "Our exit status says whose fault it is."
WITH = {
    "predict beside websocket": "    def predict(self, x): ...\n",
    "preprocess beside websocket": "    def preprocess(self, x): ...\n",
}

ROWS = (
    row("1000 when it returns", TRUSS, socket("hello", 1000, "hellohello")),
    row("a code of its own", TRUSS, socket("close", 4000, "mine")),
    row(
        "1011 when it raises",
        TRUSS,
        serves(socket("fail", 1011, "Internal Server Error", without="the details"), says=("ValueError: the details",)),
    ),
    row("1003 without such a method", PLAIN, socket("hello", 1003)),
    row(
        "another path",
        TRUSS,
        socket("hello", 404, path="/other"),
        socket("hello", 403, path="/other"),
        reason="The handshake is refused as a request would be.",
    ),
    row("a WebSocket while it loads", SLOW, socket("hello", 503), while_loading=True),
    row(
        "predict of a Model that has none",
        TRUSS,
        predict({"prompt": "a"}, 200, {"object": "text_completion"}),
        predict({}, 500),
        fails="An assertion of its own fails; here the engine answers.",
    ),
    *(
        row(
            f"{name} is refused", files(MODEL + text), refuses(3, "websocket"), refuses(DIES, "ebsocket"), reason=STATUS
        )
        for name, text in WITH.items()
    ),
    row(
        "a websocket that is no `async def` is refused",
        files("class Model:\n    def websocket(self, ws): ...\n"),
        refuses(3, "write `async def`"),
        refuses(DIES),
        reason=STATUS,
    ),
    row(
        "a websocket of two arguments is refused",
        files("class Model:\n    async def websocket(self, ws, x): ...\n"),
        refuses(3, "async def websocket(self, websocket)"),
        refuses(DIES),
        reason=STATUS,
    ),
)
