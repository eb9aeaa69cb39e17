"""A script that builds vLLM's `LLM`: over the server's engine, beside the same script on plain vLLM with a lock."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

import uvloop

from tests.bench import client, peers
from tests.bench.ping import pings
from tests.bench.running import Running, all_running
from tests.bench.table import Effort, Table, load_average, verdict
from tests.compat.launchers import HOST

TOKENS = 64
#: How many clients at a time, and how many requests in a round.
LOADS = {1: 4, 16: 32, 64: 128}
_HEADER = ("clients", "server", "tokens a second")
_PROMPT = "What does /ping do?"
_ASKED = {"prompt": _PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}

#: As people write it. `{lock}` is what a script needs on plain vLLM, whose `LLM` is for one thread at a time.
_SCRIPT = """
import contextlib
import threading

from fastapi import FastAPI
from vllm import LLM, SamplingParams

app = FastAPI()
llm = LLM({model!r}, dtype="float32", enforce_eager=True, max_model_len=1024, max_num_seqs=256)
lock = {lock}


@app.get("/ping")
def ping():
    return {{}}


@app.post("/invocations")
{kind} answer(body: dict):
    prompt = body.pop("prompt")
    with lock:
        (output,) = llm.generate(prompt, SamplingParams(**body), use_tqdm=False)
    (answer,) = output.outputs
    return {{"text": answer.text, "usage": {{"completion_tokens": len(answer.token_ids)}}}}
"""
_OURS = peers.ours("ours", "the script, adopted", "", engine="vllm", flags={})


def _script(lock: str, kind: str = "def") -> Mapping[str, str]:
    return {"model.py": _SCRIPT.format(model=str(peers.DEMO_MODEL), lock=lock, kind=kind)}


ADOPTED = replace(_OURS, files=_script("contextlib.nullcontext()"), environment={"VLLM_CPU_KVCACHE_SPACE": "1"})
BLOCKING = replace(
    ADOPTED,
    name="blocking",
    title="the script with `async def`, adopted",
    files=_script("contextlib.nullcontext()", "async def"),
)
DEFAULT = replace(peers.ours("default", "the default handler", "", engine="vllm"), files={})
_UVICORN = [sys.executable, "-m", "uvicorn", "model:app", "--app-dir", "model", "--host", HOST]
PLAIN = peers.Peer(
    "plain",
    "the script with a lock, on plain vLLM and uvicorn",
    lambda port: [
        sys.executable,
        "-m",
        "uvicorn",
        "model:app",
        "--app-dir",
        "model",
        "--host",
        HOST,
        "--port",
        str(port),
    ],
    _script("threading.Lock()"),
    {"VLLM_CPU_KVCACHE_SPACE": "1"},
)


async def _round(port: int, at_a_time: int, requests: int) -> int:
    left, sent = iter(range(requests)), client.request("/invocations", _ASKED)
    tokens: list[int] = []

    async def one() -> None:
        for _ in left:
            tokens.append((await client.ask(port, sent)).tokens)

    await asyncio.gather(*(one() for _ in range(at_a_time)))
    return sum(tokens)


def speed(server: Running, at_a_time: int) -> float:
    """Tokens a second, of one round."""
    began = time.perf_counter()
    tokens = uvloop.run(_round(server.port, at_a_time, LOADS[at_a_time]))
    assert tokens == TOKENS * LOADS[at_a_time], f"{server.peer.title}: {tokens} tokens"
    return tokens / (time.perf_counter() - began)


def _ping_p99(server: Running, seconds: float) -> float:
    """Seconds that `/ping` takes while 16 clients ask a script whose handler blocks."""

    async def measured() -> list[float]:
        asking = asyncio.create_task(_round(server.port, 16, 1 << 30))
        await asyncio.sleep(0.5)
        try:
            return await pings(server.port, seconds)
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    took = sorted(uvloop.run(measured()))
    return took[int(len(took) * 0.99)]


def measure(effort: Effort) -> Table:
    wanted = [peer for peer in (ADOPTED, BLOCKING, DEFAULT, PLAIN) if effort.wants(peer.name)]
    speeds: dict[tuple[int, str], list[float]] = {}
    slowest: list[float] = []
    with all_running(wanted, cores="0,1") as (servers, missing):
        for server in servers:
            speed(server, 16)
        for _ in range(effort.rounds):
            for at_a_time in LOADS:
                for server in servers:
                    if server.peer is PLAIN and at_a_time == max(LOADS) and speeds.get((at_a_time, PLAIN.title)):
                        continue  # half a minute, and one request after the other as with 16
                    speeds.setdefault((at_a_time, server.peer.title), []).append(speed(server, at_a_time))
            slowest += [_ping_p99(server, effort.seconds) for server in servers if server.peer is BLOCKING]
    medians = {key: statistics.median(them) for key, them in speeds.items()}
    rows = [(str(many), title, f"{rate:,.0f}") for (many, title), rate in sorted(medians.items())]
    how = (
        f"`POST /invocations`, {TOKENS} tokens each, the demo model, float32; client and servers share both cores; "
        f"medians of {effort.rounds} rounds, turn by turn. Load average at the end: {load_average()}."
    )
    return Table(
        "adopted", "A script that builds its own engine", how, _HEADER, rows, _verdicts(medians, slowest), missing
    )


def _verdicts(medians: Mapping[tuple[int, str], float], slowest: list[float]) -> list[str]:
    found = []
    most = max(LOADS)
    if (adopted := medians.get((most, ADOPTED.title))) is not None:
        for peer, least in ((PLAIN, 10.0), (DEFAULT, 0.8)):
            if (other := medians.get((most, peer.title))) is not None:
                what = f"{most} clients, tokens/s over those of {peer.title}:"
                found.append(verdict(what, adopted / other, least, at_least=True))
    if slowest:
        found.append(verdict("`/ping` p99 while an `async def` blocks, ms:", statistics.median(slowest) * 1000, 50))
    return found
