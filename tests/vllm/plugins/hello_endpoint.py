"""An endpoint plugin of vLLM's, as others write them: a route, and what it needs of the engine."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request


class Hello:
    name = "hello"
    required_tasks = None

    def attach_router(self, app: FastAPI) -> None:
        @app.get("/hello")
        async def hello(request: Request) -> dict[str, str]:
            return {"model": request.app.state.model_of_hello}

    async def init_state(self, engine_client: Any, state: Any, args: Any) -> None:
        state.model_of_hello = engine_client.model_config.model
