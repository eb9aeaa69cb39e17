"""Attaches vLLM's own OpenAI routes to the application that holds only these."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from handrail.core.first_error import route_at_first_error

from handrail_container.engine.asgi.api_routes import api_routes
from handrail_container.engine.vllm.answers import build_in_threads
from handrail_container.engine.vllm.names import vllm
from handrail_container.engine.vllm.streams import lighten

log = logging.getLogger(__name__)

#: Routes whose decorators may be skipped: they only handle a disconnect and, if enabled, count running requests.
DIRECT = ("/v1/chat/completions", "/v1/completions")


async def attach(app: FastAPI, client: Any, args: Any, tasks: tuple[str, ...]) -> None:
    """Make vLLM's serving objects in `app.state`, and add its routes for the model's tasks to `app`.

    Left out: `/health`, `/ping`, `/invocations` and `/metrics`, which the server answers, and vLLM's middlewares.
    """
    app.state.args = args  # the routers read it when they are attached
    if not hasattr(app.state, "server"):
        # vLLM sets a flag on its HTTP server when the engine is dead. This server checks the engine instead. Without an
        # object to set the flag on, the client would get an AttributeError.
        app.state.server = SimpleNamespace(should_exit=False)
    app.include_router(vllm("basic_router"))
    for name in ("attach_models", "attach_tokenize", "attach_lora", "attach_profile"):
        vllm(name)(app)
    _attach_tasks(app, client, tasks)
    vllm("attach_endpoint_plugins")(app, tasks)  # those in VLLM_PLUGINS; init_app_state makes their state
    vllm("init_exception_handler")(app)
    await vllm("init_app_state")(client, app.state, args, tasks)
    lighten(app.state)
    build_in_threads(app.state)
    for route in api_routes(app):
        route_at_first_error(getattr(route, "original_route", route))


def _attach_tasks(app: FastAPI, client: Any, tasks: tuple[str, ...]) -> None:
    if "generate" in tasks:
        vllm("register_generate")(app)
    if {"transcription", "realtime"} & set(tasks):
        vllm("register_speech")(app, tasks)
    if pooling_task(client, tasks):
        vllm("register_pooling")(app, tasks, client.model_config)


def pooling_task(client: Any, tasks: tuple[str, ...]) -> str | None:
    """The default task of a pooling model; None for a model that only generates."""
    pools = any(task in vllm("POOLING_TASKS") for task in tasks)
    task: str | None = client.model_config.get_pooling_task(tasks) if pools else None
    return task


def routes_by_payload(app: FastAPI) -> dict[str, str]:
    """Maps a key of a body to its route; the first key that the body has decides. Only routes that this model has."""
    there = {route.path for route in api_routes(app)}
    chosen = {key: next((path for path in paths if path in there), None) for key, paths in _BY_KEY.items()}
    for key in (key for key, path in chosen.items() if path is None):
        log.debug("no route of the engine's takes a body with %r: it has none of %s", key, ", ".join(_BY_KEY[key]))
    return {key: path for key, path in chosen.items() if path is not None}


#: Routes by key, in order. Keys that only reranking or scoring bodies have come before those that others share.
_BY_KEY: dict[str, tuple[str, ...]] = {
    "messages": ("/v1/chat/completions", "/v1/embeddings", "/classify"),
    "prompt": ("/v1/completions",),
    "documents": ("/rerank",),
    "text_1": ("/score",),
    "queries": ("/score",),
    "data_1": ("/score",),
    "input": ("/v1/embeddings", "/classify", "/pooling", "/v1/responses"),
}
