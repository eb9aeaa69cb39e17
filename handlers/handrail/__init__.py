"""What a `model.py` imports: the marks for its handlers and the engine they may ask for."""

from handrail.engine import Engine
from handrail.marks import custom_invocation_handler, custom_ping_handler

__all__ = ["Engine", "custom_invocation_handler", "custom_ping_handler"]
