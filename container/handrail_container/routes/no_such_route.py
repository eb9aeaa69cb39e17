"""The answer to a path that nothing is at."""

from __future__ import annotations

import difflib

from handrail.core.slots import Slot
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from handrail_container.routes.adapters import PATH as ADAPTERS
from handrail_container.routes.execution_parameters import PATH as EXECUTION

#: Paths suggested to a client for a mistyped path of fewer than `_LONG` characters.
_OURS = (
    "/ping",
    "/health",
    "/invocations",
    "/predict",
    "/metrics",
    ADAPTERS,
    EXECUTION,
    Slot.STREAM.path,
)
_ENGINES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/openapi.json", "/docs")
_LONG = 64


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404, with the nearest known path: clients omit parts of a path, and proxies add slashes."""
    path: str = scope["path"]
    engines = {getattr(route, "path", "") for route in getattr(scope.get("app"), "routes", ())}
    known = [*_OURS, *(each for each in _ENGINES if each in engines)]
    close = difflib.get_close_matches(path.rstrip("/").lower(), known, n=1, cutoff=0.8) if len(path) < _LONG else []
    hint = "".join(f": did you mean {each}?" for each in close if each != path)
    raise HTTPException(404, f"there is no {path}{hint}")
