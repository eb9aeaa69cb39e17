"""`scripts/soak`: a server under mixed load for a time, or through many restarts; exit status 1 where it suffered."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.soak.restarts import Restarts
from tests.soak.soak import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=5.0, help="how long [5]")
    length.add_argument("--requests", type=int, help="how many requests, in place of a time")
    length.add_argument("--restarts", type=int, help="starts and stops on echo, in place of a mixed load")
    parser.add_argument("--engine", choices=["echo", "vllm"], default="echo")
    parser.add_argument("--clients", type=int, default=32, help="connections at once [32]")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    done: Restarts | Soak
    if given.restarts:
        done = Restarts(given.seed)
        asyncio.run(done.run(given.restarts))
    else:
        done = Soak(given.engine, given.clients, given.seed)
        done.run(given.requests or 0, given.minutes * 60)
    print(done)
    return 0 if done.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
