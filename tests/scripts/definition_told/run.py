"""Does what the body says: a sin, or an answer."""
import json
import os
import signal
import time

import httpx
import sibling


class Teapot(Exception):
    status_code = 418


def run_inference(body, environment, sample="unset", *, engine):
    does = json.loads(body)
    return SINS[does["do"]](does, environment, engine)


def fail(does, environment, engine):
    raise ValueError(f"it failed with {environment['TOKEN']}")


def teapot(does, environment, engine):
    raise Teapot("short and stout")


def upstream(does, environment, engine):
    request = httpx.Request("POST", "http://remote")
    httpx.Response(does["status"], headers={"Retry-After": "7"}, request=request).raise_for_status()


def ask(does, environment, engine):
    time.sleep(does.get("s", 0))
    body = {"messages": [{"role": "user", "content": does["say"]}]}
    return engine.chat_completions(model_input=body)["choices"][0]["message"]["content"]


SINS = {
    "fail": fail,
    "teapot": teapot,
    "upstream": upstream,
    "ask": ask,
    "no text": lambda *_: {"a": 1},
    "sleep": lambda does, *_: time.sleep(does.get("s", 60)) or "slept",
    "exit": lambda *_: os._exit(3),
    "crash": lambda *_: os.kill(os.getpid(), signal.SIGSEGV),
    "tell": lambda does, environment, engine: json.dumps([sibling.VALUE, environment["NUMBER"], len(environment["TOKEN"])]),
    "print": lambda does, *_: print("printed by the snippet") or "printed",
}
