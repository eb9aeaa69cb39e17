"""The library's names, as scripts import them."""

from __future__ import annotations

from tests.compat.table import Scenario, invoke, ping, refuses, script, serves

PARENTHESES = """
from model_hosting_container_standards.sagemaker import custom_invocation_handler, custom_ping_handler

@custom_ping_handler()
async def health():
    return {"by": "decorator"}

@custom_invocation_handler()
async def invoke():
    return {"by": "decorator"}
"""

STACKED = """
import model_hosting_container_standards.sagemaker as sagemaker_standards

@sagemaker_standards.custom_ping_handler
@sagemaker_standards.custom_invocation_handler
async def both():
    return {"by": "both"}

assert both.__name__ == "both"
"""

DOCUMENTED = """
import logging
from model_hosting_container_standards.common.fastapi.config import FastAPIEnvVars
from model_hosting_container_standards.common.fastapi.middleware import (
    custom_middleware,
    input_formatter,
    output_formatter,
)
from model_hosting_container_standards.logging_config import get_logger, logger
from model_hosting_container_standards.sagemaker import (
    custom_invocation_handler,
    custom_ping_handler,
    inject_adapter_id,
    register_invocation_handler,
    register_load_adapter_handler,
    register_ping_handler,
    register_unload_adapter_handler,
    stateful_session_manager,
)
from model_hosting_container_standards.sagemaker.config import SageMakerEnvVars

@custom_invocation_handler
async def invoke():
    return {
        "variables": [
            FastAPIEnvVars.CUSTOM_FASTAPI_PING_HANDLER,
            FastAPIEnvVars.CUSTOM_FASTAPI_INVOCATION_HANDLER,
            FastAPIEnvVars.CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE,
            FastAPIEnvVars.CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS,
            FastAPIEnvVars.CUSTOM_PRE_PROCESS,
            FastAPIEnvVars.CUSTOM_POST_PROCESS,
            SageMakerEnvVars.SAGEMAKER_MODEL_PATH,
            SageMakerEnvVars.CUSTOM_SCRIPT_FILENAME,
        ],
        "loggers": [logger.name, get_logger().name, get_logger("mine").name],
    }
"""

NAME = "model_hosting_container_standards"
CONSTANTS = {
    "variables": [
        "CUSTOM_FASTAPI_PING_HANDLER",
        "CUSTOM_FASTAPI_INVOCATION_HANDLER",
        "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE",
        "CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS",
        "CUSTOM_PRE_PROCESS",
        "CUSTOM_POST_PROCESS",
        "SAGEMAKER_MODEL_PATH",
        "CUSTOM_SCRIPT_FILENAME",
    ],
    "loggers": [NAME, NAME, "mine"],
}

REGISTERED = """
from model_hosting_container_standards.sagemaker import register_invocation_handler, register_ping_handler

@register_ping_handler
async def health():
    return {"by": "register"}

@register_invocation_handler()
async def invoke():
    return {"by": "register"}
"""

REGISTERED_AND_BETTER = """
from model_hosting_container_standards.sagemaker import (
    custom_ping_handler,
    register_invocation_handler,
    register_ping_handler,
)

@register_ping_handler
async def registered_ping():
    return {"by": "register"}

@custom_ping_handler
async def decorated_ping():
    return {"by": "decorator"}

@register_invocation_handler
async def registered_invoke():
    return {"by": "register"}

async def custom_sagemaker_invocation_handler():
    return {"by": "name"}
"""

SCENARIOS = (
    Scenario(
        "decorators with parentheses",
        mirrors="AWS library: the decorators are written without them",
        files=script(PARENTHESES),
        ours=serves(ping(200, {"by": "decorator"}), invoke(200, {"by": "decorator"})),
        theirs=refuses(1, "TypeError"),
        reason="Half of Python's decorators are written with parentheses; both spellings mean the same.",
    ),
    Scenario(
        "a function decorated for both slots is left as it is",
        mirrors="AWS library: decorators return the function",
        files=script(STACKED),
        ours=serves(ping(200, {"by": "both"}), invoke(200, {"by": "both"})),
    ),
    Scenario(
        "every documented name can be imported, and means the same",
        mirrors="AWS library: its public names and module paths; vLLM suite: the classes of variable names",
        files=script(DOCUMENTED),
        ours=serves(invoke(200, CONSTANTS)),
    ),
    Scenario(
        "a name the library does not have",
        mirrors="Python: ImportError",
        files=script("from model_hosting_container_standards.sagemaker import custom_pong_handler\n"),
        ours=refuses(3, "custom_pong_handler", "custom_ping_handler", "custom_invocation_handler"),
    ),
    Scenario(
        "a module the library does not have",
        mirrors="Python: ImportError",
        files=script("import model_hosting_container_standards.sagemakr\n"),
        ours=refuses(3, "sagemakr", "sagemaker", "logging_config"),
    ),
    Scenario(
        "a handler that a script registers as a framework would",
        mirrors="AWS library: register_* in a customer's script",
        files=script(REGISTERED),
        ours=serves(ping(200, {"by": "register"}), invoke(200, {"by": "register"})),
        theirs=serves(ping(200, text="", without="register"), invoke(200, {"object": "chat.completion"})),
        reason="Who writes it in a script means it to answer; it does where nothing decorated or named does.",
    ),
    Scenario(
        "decorated and named handlers go before registered ones",
        mirrors="AWS suite: registered handlers against script functions",
        files=script(REGISTERED_AND_BETTER),
        ours=serves(ping(200, {"by": "decorator"}), invoke(200, {"by": "name"})),
    ),
)
