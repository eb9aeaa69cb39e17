"""The roles of user code (handlers, wrappers, hooks), and the names by which each is given."""

from __future__ import annotations

from enum import StrEnum

#: The state of a request for an adapter with code has it under this name.
ADAPTER_CODE = "handrail.adapter_code"


class Slot(StrEnum):
    PING = "ping"
    INVOCATION = "invocation"
    STREAM = "stream"

    @property
    def variable(self) -> str:
        """The environment variable of rung 1."""
        return f"CUSTOM_FASTAPI_{self.name}_HANDLER"

    @property
    def decorator(self) -> str:
        """The decorator of rung 2."""
        return f"custom_{self.value}_handler"

    @property
    def function(self) -> str:
        """The function name of rung 3."""
        return f"custom_sagemaker_{self.value}_handler"

    @property
    def path(self) -> str:
        """The slot's route."""
        return {
            Slot.PING: "/ping",
            Slot.INVOCATION: "/invocations",
            Slot.STREAM: "/invocations-bidirectional-stream",
        }[self]


class WrapperSlot(StrEnum):
    """The places of a user's code around the handlers."""

    THROTTLE = "throttle"
    PRE_POST_PROCESS = "pre_post_process"
    INPUT_FORMATTER = "input_formatter"
    OUTPUT_FORMATTER = "output_formatter"

    @property
    def variable(self) -> str:
        return {
            WrapperSlot.THROTTLE: "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE",
            WrapperSlot.PRE_POST_PROCESS: "CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS",
            WrapperSlot.INPUT_FORMATTER: "CUSTOM_PRE_PROCESS",
            WrapperSlot.OUTPUT_FORMATTER: "CUSTOM_POST_PROCESS",
        }[self]

    @property
    def decorator(self) -> str:
        is_formatter = self in (WrapperSlot.INPUT_FORMATTER, WrapperSlot.OUTPUT_FORMATTER)
        return self.value if is_formatter else f'custom_middleware("{self.value}")'


class Moment(StrEnum):
    """The time of a user's hook: after the engine is ready, or before it stops."""

    STARTUP = "on_startup"
    SHUTDOWN = "on_shutdown"

    @property
    def decorator(self) -> str:
        return self.value


class SessionStep(StrEnum):
    """A step of a session that a script may handle in place of the server."""

    CREATE = "create_session"
    CLOSE = "close_session"

    @property
    def decorator(self) -> str:
        return f"register_{self.value}_handler"


class AdapterSlot(StrEnum):
    """An operation on LoRA adapters that a script may handle in place of the engine."""

    LOAD = "load"
    UNLOAD = "unload"

    @property
    def decorator(self) -> str:
        return f"register_{self.value}_adapter_handler"

    @property
    def method(self) -> str:
        return "POST" if self is AdapterSlot.LOAD else "DELETE"

    @property
    def path(self) -> str:
        return "/adapters" if self is AdapterSlot.LOAD else "/adapters/{adapter_name}"


Role = Slot | WrapperSlot | Moment | SessionStep | AdapterSlot
