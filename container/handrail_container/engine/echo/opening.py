"""Opens the echo engine with the pace and the name from the settings."""

from __future__ import annotations

from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.engine.opening import Opening
from handrail_container.program.startup_adapters import named


def open_echo(asked: Opening) -> EchoBackend:
    settings = asked.settings
    pace = Pace(settings.echo_load_s, settings.echo_ttft_ms / 1000, settings.echo_itl_ms / 1000)
    name = settings.vllm.get("SM_VLLM_MODEL") or asked.model or "echo"
    adapters, strict = EchoAdapters(name, named(asked.flags)), settings.model_names == "strict"
    return EchoBackend(pace, name, adapters, is_strict=strict, most_text=settings.max_text_chars)
