"""Log levels: what a script logs is seen."""

from __future__ import annotations

from tests.compat.table import Scenario, invoke, ping, script, serves

LOG_LEVELS = """
import logging
from model_hosting_container_standards.logging_config import get_logger, logger

async def custom_sagemaker_ping_handler():
    logger.info("the handler was called")
    return "logged"

async def custom_sagemaker_invocation_handler():
    own = logging.getLogger("my.module")
    levels = ("DEBUG", "INFO", "WARNING")
    of = {"own": own, "library": logger, "named": get_logger("my.other")}
    return {name: [level for level in levels if one.isEnabledFor(getattr(logging, level))] for name, one in of.items()}
"""

VISIBLE = ["INFO", "WARNING"]
EVERYTHING = ["DEBUG", "INFO", "WARNING"]

SCENARIOS = (
    Scenario(
        "at the default level, INFO is visible",
        mirrors="AWS library and vLLM suite: importing it configures the root logger",
        files=script(LOG_LEVELS),
        ours=serves(invoke(200, {"own": VISIBLE, "library": VISIBLE, "named": VISIBLE})),
        theirs=serves(invoke(200, {"own": [], "library": [], "named": []})),
        fails="Importing the library sets the root logger to ERROR: what a script logs at INFO or WARNING is not seen.",
    ),
    Scenario(
        "SAGEMAKER_CONTAINER_LOG_LEVEL sets the level",
        mirrors="AWS library: the level of its logger and of the root",
        files=script(LOG_LEVELS),
        environment={"SAGEMAKER_CONTAINER_LOG_LEVEL": "DEBUG", "LOG_LEVEL": "ERROR"},
        ours=serves(invoke(200, {"own": EVERYTHING, "library": EVERYTHING, "named": EVERYTHING})),
    ),
    Scenario(
        "… else LOG_LEVEL",
        mirrors="AWS library: the fallback of the level",
        files=script(LOG_LEVELS),
        environment={"LOG_LEVEL": "warning"},
        ours=serves(invoke(200, {"own": ["WARNING"], "library": ["WARNING"], "named": ["WARNING"]})),
    ),
    Scenario(
        "logger.info of the library's logger is in the log",
        mirrors="the guide's complete example: logger.info in a handler",
        files=script(LOG_LEVELS),
        ours=serves(ping(200, "logged"), says=("the handler was called",)),
        theirs=serves(ping(200, "logged")),
        fails="`logger.info` of the guide's example prints nothing at the default level.",
    ),
)
