"""What a script does at the start and at the end of serving. Only ours has it."""

from __future__ import annotations

from tests.compat.table import Scenario, invoke, refuses, script, serves

HOOKS = """
import handrail

STATE = []

@handrail.on_startup
def at_once():
    STATE.append("def")

@handrail.on_startup()
async def with_engine(engine: handrail.Engine):
    STATE.append("async def")
    STATE.append(len(engine.tokenize("two words")) > 0)

@handrail.on_shutdown
async def last():
    print("the last word of the script")

async def custom_sagemaker_invocation_handler():
    return STATE
"""

FAILS_AT_START = """
import handrail

@handrail.on_startup
async def connects():
    raise ConnectionError("no route to the vector store")
"""

MIRRORS = "Handrail: hooks, which the AWS library does not have"

SCENARIOS = (
    Scenario(
        "hooks run after the engine is ready, and before it stops",
        mirrors=MIRRORS,
        files=script(HOOKS),
        ours=serves(invoke(200, ["def", "async def", True]), says=("the last word of the script",)),
        is_ours_alone=True,
    ),
    Scenario(
        "a hook that fails at the start",
        mirrors=MIRRORS,
        files=script(FAILS_AT_START),
        ours=refuses(3, "model.py", "connects", "no route to the vector store"),
        is_ours_alone=True,
    ),
)
