"""A handler that blocks the event loop for as long as the body says, in the way it says; or does not."""

import json
import time

from handrail import custom_invocation_handler


def sleep(seconds):
    time.sleep(seconds)  # the line that sleeps


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:  # the line that spins
        pass


@custom_invocation_handler
async def block(request):
    body = await request.json()
    if "for_s" in body:
        {"sleep": sleep, "spin": spin}[body["by"]](body["for_s"])
    return {"length": len(json.dumps(body))}
