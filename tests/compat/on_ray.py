"""The table through Ray Serve: `python -m tests.compat.on_ray [NAME...]`, on its own cluster, in ten minutes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from handrail_container.engine import ray_cluster

from tests.compat.launchers import HANDRAIL_RAY, Launcher
from tests.compat.observe import differences, observe
from tests.compat.scenarios import ALL
from tests.compat.table import Scenario

#: For the actors of Serve and of a replica; what they compute is little.
_CPUS = 16


@contextmanager
def on_a_cluster() -> Iterator[Launcher]:
    """`handrail serve --ray` on a cluster that stays from one start to the next."""
    ray_cluster.prepare()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": _CPUS, "include_dashboard": False})
    try:
        yield replace(HANDRAIL_RAY, environment={"RAY_ADDRESS": cluster.address})
    finally:
        cluster.shutdown()


def by_start(scenarios: list[Scenario]) -> list[list[Scenario]]:
    """Those that start the same way together, the most first."""
    starts = Counter(scenario.start for scenario in scenarios)
    return [[scenario for scenario in scenarios if scenario.start == start] for start, _ in starts.most_common()]


def differing(launcher: Launcher, scenarios: list[Scenario]) -> dict[str, list[str]]:
    """What is different from the table, by the row's name; empty where it holds."""
    seen = observe(launcher, [(scenario, scenario.ours) for scenario in scenarios])
    return {scenario.name: differences(scenario.ours, seen[scenario.name]) for scenario in scenarios}


def main(names: list[str]) -> int:
    """Say of each row whether it holds; the exit status is 1 where one does not."""
    chosen = [scenario for scenario in ALL if not names or scenario.name in names]
    held = 0
    with on_a_cluster() as launcher:
        for scenarios in by_start(chosen):
            for name, found in differing(launcher, scenarios).items():
                held += not found
                print("FAILS" if found else "holds", name, *(one[:2000] for one in found), sep="\n  ", flush=True)
    print(f"{held} of {len(chosen)} rows hold")
    return int(held != len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
