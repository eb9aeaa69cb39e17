"""A handler that raises, where the body's `where` says, the exception that `what` names: none of them ends a server."""

import asyncio
import builtins
import inspect
import threading

from handrail import custom_invocation_handler, custom_ping_handler, custom_stream_handler

pings = []


def exception(told):
    if told["what"] == "BaseExceptionGroup":
        return BaseExceptionGroup("several", [SystemExit(6), ValueError("another")])
    return getattr(builtins, told["what"])(6)


def here(told):
    raise exception(told)  # the line that a 500 names


def in_thread(told):
    return asyncio.to_thread(here, told)


async def first(told):
    raise exception(told)
    yield


async def later(told):
    yield "data: 1\n\n"
    raise exception(told)


def plain_later(told):
    yield "data: 1\n\n"
    raise exception(told)


def ping(told):
    pings.append(told)
    return {}


async def _raise(told):
    raise exception(told)  # in a task


async def task(told):
    raised = asyncio.create_task(_raise(told))
    await asyncio.wait({raised})
    raised.exception()  # it is known: nobody need log it


async def callback(told):
    asyncio.get_running_loop().call_soon(here, told)
    await asyncio.sleep(0.01)


async def stopped_loop(told):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return "stopped"


async def thread(told):
    threading.Thread(target=here, args=(told,)).start()


@custom_invocation_handler
async def answer(request):
    told = await request.json()
    result = globals()[told["where"]](told)
    return await result if inspect.iscoroutine(result) else result


@custom_ping_handler
def check():
    if pings:
        here(pings.pop())


@custom_stream_handler
async def talk(websocket):
    here(await websocket.receive_json())
