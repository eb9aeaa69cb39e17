"""More than one machine, by Ray Serve: the same application as a deployment, each replica with an engine of its own.

`handrail_container.ray:build` is for `serve run` and its configuration files, `handrail_container.ray:front` for
RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH; `handrail serve --ray` uses both. Nothing here imports Ray before it is
called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from handrail_container.engine import ray_cluster
from handrail_container.process import extras
from handrail_container.process.exits import SettingsError

if TYPE_CHECKING:
    from starlette.middleware import Middleware


def require_ray() -> Any:
    """The module that speaks to Ray Serve. Raises SettingsError where that is not installed."""
    ray_cluster.prepare()
    try:
        return importlib.import_module("handrail_container.ray.deployment")
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"Ray Serve is asked for, and {missing.name} is not installed: {extras.command('ray')}"
        ) from missing


def build(args: dict[str, str]) -> Any:
    """The Serve application. `args` are settings by their variables' names, before those of the environment.

    Raises SettingsError.
    """
    return require_ray().build(args)


def front() -> list[Middleware]:
    """What stands around Serve's HTTP proxy, for RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    from starlette.middleware import Middleware

    from handrail_container.ray.proxy import ProxyMiddleware

    return [Middleware(ProxyMiddleware)]
