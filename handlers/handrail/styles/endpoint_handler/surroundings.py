"""What the operator has set for a handler of Hugging Face's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_MODEL = "weights are loaded by the engine, or by the handler itself"
_LEAVING = "a request whose client has left is not worked on in any case"
_TYPED = "a body without a content type is taken for JSON, and an answer without Accept is JSON"
#: Variables of the toolkit that are not read, and why, or what is set instead.
_UNREAD = {
    "HF_FRAMEWORK": _MODEL,
    "HF_OPTIMUM_BATCH_SIZE": _MODEL,
    "HF_OPTIMUM_SEQUENCE_LENGTH": _MODEL,
    "DEFAULT_CONTENT_TYPE": _TYPED,
    "DEFAULT_ACCEPT": _TYPED,
    "DISCARD_LEFT": _LEAVING,
    "UNLOAD_IDLE": "the handler is loaded at the start, and kept",
    "ENABLE_TASK_ROUTE": "one handler answers, whatever the task",
    "API_INFERENCE_COMPAT": "what the handler returns is sent as it is",
    "IGNORE_CUSTOM_HANDLER": "HANDRAIL_PLUGINS_DISABLED=endpoint_handler leaves the handler out",
}
_OFF = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class EndpointSurroundings:
    """`pipeline_name` is the handler's file, `module_name` ends with its class, `task` is that of the model.

    `concurrency` bounds the requests at a time, `has_engine` is False if the server runs without one, `stall_s` are the
    seconds after which a handler that does not end is not healthy. `environment` are the process's variables.
    """

    pipeline_name: str | None = None
    module_name: str | None = None
    task: str = ""
    concurrency: int = 1
    has_engine: bool = True
    stall_s: float = 120
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_chosen(self) -> bool:
        return self.pipeline_name is not None or self.module_name is not None

    def unread(self) -> Iterator[str]:
        """A warning for each variable of the toolkit that is set and not read."""
        for name, why in _UNREAD.items():
            value = self.environment.get(name, "")
            if value.lower() not in _OFF:
                yield f"{name}={value} is not read: {why}"
