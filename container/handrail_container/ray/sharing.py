"""Refuses features that exist in one replica only when requests may reach any of several."""

from __future__ import annotations

from fastapi import FastAPI
from handrail.core.slots import SessionStep
from handrail.resolve import Program
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from handrail_container.engine.lora import Adapters
from handrail_container.process.exits import SettingsError
from handrail_container.settings.fields import Settings

#: vLLM's own routes for loading and unloading adapters, as `/adapters` does.
_OF_VLLM = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter")


def is_one_of_many(settings: Settings) -> bool:
    return max(settings.ray_replicas, settings.ray_max_replicas or 1) > 1


def _replicas(settings: Settings) -> str:
    """The setting that asks for several replicas, for a message."""
    if settings.ray_replicas > 1:
        return f"HANDRAIL_RAY_REPLICAS is {settings.ray_replicas}"
    return f"HANDRAIL_RAY_MAX_REPLICAS is {settings.ray_max_replicas}"


def require_one_folder(settings: Settings, machines: int) -> None:
    """Raises SettingsError if each machine would have sessions of its own.

    A folder named in the settings is not checked: the operator sees to it that all machines share it.
    """
    has_default = settings.enable_stateful_sessions and settings.sessions_path is None
    if has_default and machines > 1 and is_one_of_many(settings):
        raise SettingsError(
            f"{_replicas(settings)} on a cluster of {machines} machines, and SAGEMAKER_SESSIONS_PATH is not set: each "
            "machine would have sessions of its own, in its memory. Name a folder that all machines share"
        )


def require_no_sessions_of_one(program: Program, settings: Settings) -> None:
    """Raises SettingsError if the script keeps sessions itself. It chooses their ids, so a session's replica cannot be
    found by its id."""
    opening = program.session_handlers.get(SessionStep.CREATE) or program.session_handlers.get(SessionStep.CLOSE)
    if opening is not None and is_one_of_many(settings):
        where = f"{opening.signature.name} ({opening.signature.where})"
        raise SettingsError(
            f"{_replicas(settings)}, and {where} keeps sessions in the replica that it is called in: the next request "
            "may reach another. Set 1, or remove it and set SAGEMAKER_ENABLE_STATEFUL_SESSIONS=true, whose sessions "
            "all replicas have"
        )


def keep_adapters(app: FastAPI, adapters: Adapters, settings: Settings) -> None:
    """Lock the adapters that were loaded at the start. `app` must already have the engine's routes."""
    if not is_one_of_many(settings):
        return
    reason = adapters.locked_reason = (
        f"{_replicas(settings)}, and only one of them would change its adapters: name adapters in "
        "SM_VLLM_LORA_MODULES, which each replica loads at its start"
    )

    async def refuse(request: Request) -> Response:
        raise HTTPException(501, reason)

    for path in _OF_VLLM:
        app.add_api_route(path, refuse, methods=["POST"], include_in_schema=False)
        app.router.routes.insert(0, app.router.routes.pop())  # before the engine's own routes
