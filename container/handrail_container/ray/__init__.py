"""Scaling over several machines with Ray Serve: a deployment whose replicas each have their own engine.

`handrail_container.ray:build` is for `serve run` and its configuration files, `handrail_container.ray:front` for
RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH; `handrail serve --ray` uses both. Importing this module does not import Ray.
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
    """The module `ray.deployment`. Raises SettingsError if Ray Serve is not installed."""
    ray_cluster.prepare()
    try:
        return importlib.import_module("handrail_container.ray.deployment")
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"Ray Serve is asked for, and {missing.name} is not installed: {extras.command('ray')}"
        ) from missing


def build(args: dict[str, str]) -> Any:
    """The Serve application. `args` are settings by their variables' names, which win over the environment.

    Raises SettingsError.
    """
    return require_ray().build(args)


def front() -> list[Middleware]:
    """The middlewares around Serve's HTTP proxy, for RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    from starlette.middleware import Middleware

    from handrail_container.ray.proxy import ProxyMiddleware

    return [Middleware(ProxyMiddleware)]
