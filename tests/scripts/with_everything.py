"""A throttle, a formatter, hooks, handlers for all slots, and one that opens sessions."""

from handrail import custom_middleware, on_shutdown, on_startup, output_formatter
from handrail.aws.sessions import register_create_session_handler


class Throttle:
    def __init__(self, app):
        self.app = app


custom_middleware("throttle")(Throttle)


@output_formatter
def a_formatter_with_a_name_that_is_rather_long_for_a_line_of_eighty_columns(response): ...


@on_startup
async def begin(app): ...


@on_shutdown
def end(): ...


def custom_sagemaker_ping_handler(): ...


async def custom_sagemaker_invocation_handler(request): ...


async def custom_sagemaker_stream_handler(websocket): ...


@register_create_session_handler("body.id")
async def open_session(request): ...
