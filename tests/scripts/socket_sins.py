import asyncio
import json
import logging
import sys

from handrail import custom_stream_handler, on_shutdown


@custom_stream_handler
async def converse(websocket):
    said = await websocket.receive_text()
    logging.warning("heard %s", said)
    if said == "exit":
        sys.exit(7)
    if said == "interrupt":
        raise KeyboardInterrupt
    if said == "generator":
        raise GeneratorExit
    if said == "insist":
        while True:
            try:
                await websocket._send({"type": "websocket.send", "text": "x"})
            except OSError:
                pass
    if said == "flood":
        while True:
            await websocket.send_text("x")
    await asyncio.sleep(float(json.loads(said)))


@on_shutdown
async def last():
    print("the hook ran", flush=True)
