"""The settings that bound what clients and handlers may take: size, number and time."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from handrail_container.variable import variable


class LimitSettings(BaseSettings):
    """A limit each; its description names the unit and what happens beyond it."""

    max_body_mb: float = variable(
        "HANDRAIL_MAX_BODY_MB", 25, "The largest request body, in MB of 1,048,576 bytes; a larger one is 413.", gt=0
    )
    max_concurrency: int = variable(
        "HANDRAIL_MAX_CONCURRENCY",
        1024,
        "Requests to `/invocations` that run at once; those to `/v1/…` are counted apart.",
        ge=1,
    )
    max_queue: int = variable(
        "HANDRAIL_MAX_QUEUE", 1024, "Requests of either kind that wait for their turn; one more is 503.", ge=0
    )
    invocation_timeout_s: float = variable(
        "HANDRAIL_INVOCATION_TIMEOUT_S",
        60,
        "Seconds to the whole answer, or to the first piece of a stream, waiting included; then it is 504.",
        gt=0,
    )
    stream_timeout_s: float = variable(
        "HANDRAIL_STREAM_TIMEOUT_S", 480, "Seconds to the end of a stream, from the request on.", gt=0
    )
    cancel_on_disconnect: bool | None = variable(
        "HANDRAIL_CANCEL_ON_DISCONNECT",
        None,
        "Whether a handler is cancelled when its client leaves. Where it is not set, every handler is, but for a Truss "
        "Model's, which asks `request.is_disconnected()`. Its calls of the engine are in any case.",
    )
    stall_s: float = variable(
        "HANDRAIL_STALL_S",
        120,
        "Seconds without any progress, while requests run, after which the engine counts as hung; or of a blocked "
        "event loop, after which `/ping` is 503.",
        gt=0,
    )
    drain_s: float = variable(
        "HANDRAIL_DRAIN_S", 25, "Seconds that requests in flight have to finish after SIGTERM.", ge=0
    )
