"""examples/fleet: what its README's dry run would ask of AWS."""

from __future__ import annotations

import json
import shlex

from tests.examples import EXAMPLES, ROOT, commands
from tests.servers import run


def test_it_grows_and_shrinks() -> None:
    """By the concurrent requests of each instance; the fewest are there from the start."""
    readme = EXAMPLES / "fleet" / "README.md"
    (words,) = [shlex.split(command)[1:] for command in commands(readme) if "--dry-run" in command]
    ended = run(*(str(ROOT / word) if word.startswith("examples/") else word for word in words))
    assert ended.returncode == 0, ended.stderr
    calls = {call["operation"]: call["parameters"] for call in json.loads(ended.stdout)}
    (variant,) = calls["CreateEndpointConfig"]["ProductionVariants"]
    assert variant["InitialInstanceCount"] == 2
    assert variant["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    target = calls["RegisterScalableTarget"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 8)
    policy = calls["PutScalingPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    assert (policy["TargetValue"], policy["ScaleOutCooldown"], policy["ScaleInCooldown"]) == (16, 60, 900)
    assert calls["CreateModel"]["PrimaryContainer"]["Environment"]["HANDRAIL_MAX_CONCURRENCY"] == "64"
