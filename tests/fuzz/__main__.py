"""`scripts/fuzz`: the named attacks, and mutations of them, at servers of the echo engine; 1 where one does harm."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.attacked import attack
from tests.fuzz.client import Patience
from tests.fuzz.corpus import ATTACKS
from tests.fuzz.mutations import mutations
from tests.fuzz.planted import FAULTS


def main() -> int:
    parser = argparse.ArgumentParser(description="Attack servers of the echo engine; exits 1 where it does harm.")
    parser.add_argument("--count", type=int, default=10_000, help="mutated requests, after the named attacks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet-s", type=float, default=2.0, help="silence after which a connection is asked again")
    parser.add_argument("--hung-s", type=float, default=20.0, help="silence after that, which is a hang")
    parser.add_argument("--late-s", type=float, default=5.0, help="how long others may wait for /ping and /metrics")
    parser.add_argument("--only", default="", help="the attacks whose name has this in it")
    parser.add_argument("--fault", choices=sorted(FAULTS), help="plant it in the server first: it should be found")
    given = parser.parse_args()
    attacks = [one for one in ATTACKS if given.only in one.name]
    patience = Patience(given.quiet_s, given.hung_s, given.late_s)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = attack(Path(folder), attacks, mutations(given.seed, given.count), patience, given.fault)
    seconds = time.monotonic() - began
    print(f"{len(attacks)} attacks, {given.count} requests, seed {given.seed}: {outcome}; {seconds:.0f} s")
    for fault in outcome.faults[:20]:
        print("fault:", fault)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
