"""The socket and uvicorn on it: up before anything is loaded."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from handrail_container.errors import SettingsError

_BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """Raises SettingsError where the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses the port, or choose another (--port, SAGEMAKER_BIND_TO_PORT)."
        ) from None
    listening.set_inheritable(False)
    return listening


class Listener(uvicorn.Server):
    """Uvicorn without its signal handling: the lifecycle decides when to stop, and the exit status."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # the drain is over by then
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
