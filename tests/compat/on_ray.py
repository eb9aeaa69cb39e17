"""The table through Ray Serve: `python -m tests.compat.on_ray [NAME...]`, on its own cluster, in ten minutes."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import replace

from ray.cluster_utils import Cluster

from tests.compat.launchers import HANDRAIL_RAY
from tests.compat.observe import differences, observe
from tests.compat.scenarios import ALL
from tests.compat.table import Scenario

#: For the actors of Serve and of a replica; what they compute is little.
_CPUS = 16


def main(names: list[str]) -> int:
    """Say of each row whether it holds; the exit status is 1 where one does not."""
    starts: defaultdict[object, list[Scenario]] = defaultdict(list)
    for scenario in ALL:
        if not names or scenario.name in names:
            starts[scenario.start].append(scenario)
    os.environ.setdefault("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "handrail_container.ray:front")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": _CPUS, "include_dashboard": False})
    launcher = replace(HANDRAIL_RAY, environment={"RAY_ADDRESS": cluster.address})
    held = 0
    try:
        for scenarios in starts.values():
            seen = observe(launcher, [(scenario, scenario.ours) for scenario in scenarios])
            for scenario in scenarios:
                found = differences(scenario.ours, seen[scenario.name])
                held += not found
                print(
                    "FAILS" if found else "holds", scenario.name, *(one[:2000] for one in found), sep="\n  ", flush=True
                )
    finally:
        cluster.shutdown()
    total = sum(map(len, starts.values()))
    print(f"{held} of {total} rows hold")
    return int(held != total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
