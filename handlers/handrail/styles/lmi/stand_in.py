"""A stand-in for the package `djl_python`, which no index has, for scripts that import it where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from types import ModuleType
from typing import Any

from handrail.styles.lmi import decoding, marks
from handrail.styles.lmi.messages import Input, LmiOutput, PairList, to_json

PACKAGE = "djl_python"


def install() -> None:
    """Put the stand-in into `sys.modules`, unless the package is installed."""
    if PACKAGE in sys.modules or importlib.util.find_spec(PACKAGE) is not None:
        return
    package = ModuleType(PACKAGE)
    package.__path__ = []
    vars(package).update(Input=Input, Output=LmiOutput)
    for name, members in MODULES.items():
        module = ModuleType(f"{PACKAGE}.{name}")
        vars(module).update(members)
        setattr(package, name, module)
        sys.modules[module.__name__] = module
    sys.modules[PACKAGE] = package


def create_non_stream_output(
    data: Any, properties: Mapping[str, Any] | None = None, error: str | None = None, code: int | None = None
) -> LmiOutput:
    """A whole answer as JSON, or an error."""
    output = _output(data, "application/json", error, code)
    for key, value in (properties or {}).items():
        output.add_property(key, value)
    return output


def create_stream_chunk_output(
    data: Any, last_chunk: bool = False, error: str | None = None, code: int | None = None
) -> LmiOutput:
    """A piece of a stream of JSON lines, or the error that ends it."""
    output = _output(data, "application/jsonlines", error, code)
    output.last = last_chunk
    return output


def _output(data: Any, kind: str, error: str | None, code: int | None) -> LmiOutput:
    output = LmiOutput(code or (424 if error else 200))
    output.failure = error
    text = data if isinstance(data, str) else to_json(data)
    return output.add(f"{text}\n" if text else "").add_property("Content-Type", kind)


async def handle_streaming_response(
    response: AsyncIterator[Any],
    stream_output_formatter: Callable[..., Any],
    accumulate_chunks: bool = False,
    **more: Any,
) -> AsyncIterator[LmiOutput]:
    """Each chunk as an Output: the formatter returns its data and whether it is the last, and with `accumulate_chunks`
    the history that it is given with the next one."""
    history: Any = []
    async for chunk in response:
        if accumulate_chunks:
            data, is_last, history = stream_output_formatter(chunk, history=history, **more)
        else:
            data, is_last = stream_output_formatter(chunk, **more)
        yield create_stream_chunk_output(data, is_last)
        if is_last:
            return


class RequestInput:
    """A request in LMI's rolling batches, for classes of a script that inherit from it."""

    def __init__(self, **fields: Any) -> None:
        self.request_id: int | None = None
        self.parameters: dict[str, Any] = {}
        vars(self).update(fields)


class TextInput(RequestInput):
    """The same of a text."""


#: Names for annotations: the answers of LMI's rolling batches, which are not made here.
_OUTPUTS = {name: type(name, (), {"__module__": PACKAGE}) for name in ("RequestOutput", "TextGenerationOutput")}
_ROLLING = {"RequestInput": RequestInput, "TextInput": TextInput, **_OUTPUTS}
#: The modules of the package, with their names.
MODULES: dict[str, dict[str, Any]] = {
    "inputs": {"Input": Input},
    "outputs": {"Output": LmiOutput},
    "pair_list": {"PairList": PairList},
    "input_parser": {
        **{name: marks.decorator(name) for name in (marks.INPUT, marks.PREDICTION, marks.INIT)},
        "Input": Input,
        "SAGEMAKER_ADAPTER_IDENTIFIER_HEADER": "X-Amzn-SageMaker-Adapter-Identifier",
    },
    "output_formatter": {marks.OUTPUT: marks.decorator(marks.OUTPUT), **_ROLLING},
    "request_io": _ROLLING,
    "encode_decode": {"decode": decoding.decode, "encode": decoding.encode, "Input": Input, "Output": LmiOutput},
    "async_utils": {
        one.__name__: one for one in (create_non_stream_output, create_stream_chunk_output, handle_streaming_response)
    },
}
