"""What a `model.py` imports: the marks for its handlers and hooks, and the engine they may ask for."""

from handrail.core.engine import Engine
from handrail.core.marks import (
    custom_invocation_handler,
    custom_middleware,
    custom_ping_handler,
    custom_stream_handler,
    input_formatter,
    on_shutdown,
    on_startup,
    output_formatter,
)

__all__ = [
    "Engine",
    "custom_invocation_handler",
    "custom_middleware",
    "custom_ping_handler",
    "custom_stream_handler",
    "input_formatter",
    "on_shutdown",
    "on_startup",
    "output_formatter",
]
