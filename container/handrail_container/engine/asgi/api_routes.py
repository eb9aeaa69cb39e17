"""An engine's routes, however its routers hold them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.routing import APIRoute


class ApiRoute(Protocol):
    """With the prefixes of the routers around it."""

    path: str
    methods: Collection[str]
    endpoint: Callable[..., Any]


def api_routes(app: FastAPI) -> Iterator[ApiRoute]:
    """Those of `app` and of every router that it includes, in the order in which they are asked.

    What is mounted is an application of its own, and is left out.
    """
    for route in app.routes:
        included = getattr(route, "effective_route_contexts", None)  # what FastAPI has since 0.137 for a whole router
        found: Iterable[Any] = [route] if included is None else included()
        for each in found:
            if isinstance(getattr(each, "original_route", each), APIRoute):
                yield each
