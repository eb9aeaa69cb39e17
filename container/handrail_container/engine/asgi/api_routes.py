"""The API routes of an engine's application, including those of its nested routers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.routing import APIRoute


class ApiRoute(Protocol):
    """A route whose `path` includes the prefixes of the routers around it."""

    path: str
    methods: Collection[str]
    endpoint: Callable[..., Any]


def api_routes(app: FastAPI) -> Iterator[ApiRoute]:
    """The routes of `app` and of every router that it includes, in matching order.

    Mounted applications are left out.
    """
    for route in app.routes:
        included = getattr(route, "effective_route_contexts", None)  # FastAPI 0.137 and later: a whole router
        found: Iterable[Any] = [route] if included is None else included()
        for each in found:
            if isinstance(getattr(each, "original_route", each), APIRoute):
                yield each
