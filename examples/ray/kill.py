"""Kills a replica under load: `python kill.py [URL]`. Its clients ask again, as AWS's do; what they saw is printed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
BODY = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0}
CLIENTS, SECONDS, TRIES = 8, 15.0, 3


def ask(client: httpx.Client) -> httpx.Response:
    """The answer, or the last of three errors."""
    for _ in range(TRIES):
        answer = client.post("/invocations", json=BODY)
        if answer.status_code < 500:
            break
        time.sleep(float(answer.headers.get("Retry-After", "1")))
    return answer


def load(until: float) -> Counter[int]:
    """How often which status was the end of it."""
    seen: Counter[int] = Counter()
    with httpx.Client(base_url=URL, timeout=60) as client:
        while time.monotonic() < until:
            seen[ask(client).status_code] += 1
    return seen


def ping(until: float) -> Counter[int]:
    seen: Counter[int] = Counter()
    with httpx.Client(base_url=URL, timeout=60) as client:
        while time.monotonic() < until:
            seen[client.get("/ping").status_code] += 1
            time.sleep(0.05)
    return seen


def main() -> None:
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        pings, loads = pool.submit(ping, until), [pool.submit(load, until) for _ in range(CLIENTS)]
        time.sleep(SECONDS / 3)
        with httpx.Client(base_url=URL) as client:
            victim = ask(client).json()["replica"]
        os.kill(victim, signal.SIGKILL)
        print(f"killed {victim}")
        print(f"pings    {dict(pings.result())}")
        print(f"requests {dict(sum((one.result() for one in loads), Counter()))}")


if __name__ == "__main__":
    main()
