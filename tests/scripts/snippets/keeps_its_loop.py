"""What is bound to a loop lives as long as the worker."""

import asyncio

lock = asyncio.Lock()
loops = set()


async def run_inference(body, environment):
    async with lock:
        await asyncio.sleep(0)
    loops.add(id(asyncio.get_running_loop()))
    return str(len(loops))
