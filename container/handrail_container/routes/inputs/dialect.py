"""What the originals of the shape do differently from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from handrail.core.slots import Slot
from handrail.resolve import Program

from handrail_container.program import engine_config
from handrail_container.settings.fields import Settings


@dataclass(frozen=True)
class InputsDialect:
    """`lists_one`: the answer to one text is a list of one. `has_full_text`: an answer begins with its prompt, unless
    the request says otherwise. `samples`: without a sampling parameter, the model's own defaults hold; else it is
    greedy. `streams`: whether the route streams; None lets the request say, and `streams_one` is what a request for one
    text asks for where it does not."""

    max_new_tokens: int
    lists_one: bool
    has_full_text: bool
    samples: bool
    is_sse: bool
    streams: bool | None = None
    streams_one: bool = False


#: The originals by the value of HANDRAIL_INPUTS_DIALECT.
DIALECTS = {
    "lmi": InputsDialect(30, lists_one=False, has_full_text=False, samples=True, is_sse=False),
    "tgi": InputsDialect(100, lists_one=True, has_full_text=True, samples=False, is_sse=True),
}
#: TGI's own routes.
GENERATE = replace(DIALECTS["tgi"], lists_one=False, has_full_text=False, streams=False)
GENERATE_STREAM = replace(GENERATE, streams=True)
#: TGI's `POST /`, which the gate finds at this path: `/` itself needs no key.
AT_ROOT = "/compat_generate"
#: TGI's routes that are served.
TGIS = {AT_ROOT: DIALECTS["tgi"], "/generate": GENERATE, "/generate_stream": GENERATE_STREAM}


def of_invocations(settings: Settings) -> InputsDialect:
    """As HANDRAIL_INPUTS_DIALECT says; where it is not set, as LMI's `tgi_compat` and `output_formatter` do."""
    if settings.inputs_dialect:
        return DIALECTS[settings.inputs_dialect]
    asked = engine_config.read(settings).lmi
    dialect = DIALECTS[asked.dialect or "lmi"]
    if asked.formatter in (None, "json"):
        return dialect
    return replace(dialect, is_sse=asked.formatter == "sse", streams_one=True)


def generates(paths: Mapping[str, str]) -> bool:
    """Whether the model does, by the engine's routes for the keys of a body."""
    return "prompt" in paths


def has_tgis(program: Program, paths: Mapping[str, str]) -> bool:
    """Whether TGI's routes are served: where the engine generates, and no script or Model answers in its place."""
    return program.resolutions[Slot.INVOCATION].handler is None and not program.models and generates(paths)
