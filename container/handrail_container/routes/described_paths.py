"""The parts of `/openapi.json` beside the engine's routes: the container's routes and those of the script's handlers.

A handler's input and output are described by its annotations; without annotations they are left open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handrail.core.calling import Handler
from handrail.core.contract import ANYTHING, Contract, contract_of
from handrail.core.shapes import CHAT, QUESTION, STREAM, TEXTS, body, operation
from handrail.core.slots import AdapterSlot, Slot, WrapperSlot
from handrail.resolve import Program

from handrail_container.routes.beside_model import HARMLESS
from handrail_container.routes.execution_parameters import PATH as EXECUTION
from handrail_container.routes.inputs.dialect import TGIS, has_tgis
from handrail_container.routes.inputs.reading import takes_inputs

#: Schemas of the engine's payloads, used if its routes do not describe them.
_PAYLOADS: dict[str, dict[str, Any]] = {
    "messages": CHAT,
    "prompt": {
        "type": "object",
        "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}, "max_tokens": {"type": "integer"}, "stream": STREAM},
        "examples": [{"prompt": QUESTION}],
    },
    "input": {
        "type": "object",
        "required": ["input"],
        "properties": {"input": {"anyOf": [{"type": "string"}, TEXTS]}},
        "examples": [{"input": QUESTION}],
    },
}
#: The shape of TGI and LMI, which `routes/inputs` reads.
_INPUTS: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {"inputs": ANYTHING, "parameters": {"type": "object"}, "stream": STREAM},
    "examples": [{"inputs": QUESTION, "parameters": {"max_new_tokens": 64}}],
}
_OF_TGI = Contract(
    operation(
        "The engine answers, as Text Generation Inference does.",
        "The text, or its stream.",
        {"application/json": ANYTHING, "text/event-stream": ANYTHING},
        requestBody=body(_INPUTS),
    )
)
_PING_METHODS = ("GET", "POST", "HEAD")
_ANY_TYPE: dict[str, Any] = {"*/*": ANYTHING}
_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_TEXT: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}


@dataclass(frozen=True)
class ApiSource:
    """Input of the description. `payloads` maps the key of a body to the engine's route; `model_routes` is the setting
    of that name."""

    program: Program
    payloads: Mapping[str, str]
    model_routes: str


def fixed_paths() -> dict[str, dict[str, Any]]:
    """The paths that are the same for every program."""
    about = operation("Who answers here.", "The name, the version and the state.", _JSON)
    metrics = operation("Metrics, as Prometheus reads them.", "The metrics.", _TEXT)
    health = operation(*_PING)
    batches = operation("What SageMaker's batch transform may send at once.", "The limits.", _JSON)
    name = {"name": "adapter_name", "in": "path", "required": True, "schema": {"type": "string"}}
    source = {"type": "object", "required": ["name", "src"], "properties": {"name": _STRING, "src": _STRING}}
    return {
        "/ping": dict.fromkeys(map(str.lower, _PING_METHODS), health),
        "/health": dict.fromkeys(map(str.lower, _PING_METHODS), health),
        "/metrics": {"get": metrics},
        EXECUTION: {"get": batches},
        "/adapters": {
            "get": operation("The LoRA adapters that are loaded.", "Their names and sources.", _JSON),
            "post": operation("Load a LoRA adapter.", "It is loaded.", _ANY_TYPE, requestBody=body(source)),
        },
        AdapterSlot.UNLOAD.path: {
            "parameters": [name],
            "get": operation("One LoRA adapter.", "Its source, and how many requests use it.", _JSON),
            "delete": operation("Unload a LoRA adapter.", "It is unloaded.", _ANY_TYPE),
        },
        "/": {"get": about, "head": about},
    }


_STRING = {"type": "string"}
_PING = ("Whether the server can answer; 503 says why not.", "It can.", _ANY_TYPE)


def contracts(source: ApiSource, engine: Mapping[str, Any]) -> dict[str, dict[str, Contract]]:
    """Contracts of the program's handlers, by path and method; `engine` holds the OpenAPI paths of the engine."""
    invocation = {"post": _invocation(source, engine)}
    found = {"/invocations": invocation, "/predict": invocation}
    if has_tgis(source.program, source.payloads):
        found |= {path: {"post": _surrounded(_OF_TGI, source.program)} for path in TGIS if path not in engine}
    ping = source.program.resolutions[Slot.PING].handler
    if ping is not None:
        found["/ping"] = {method.lower(): _pinged(ping, method) for method in _PING_METHODS}
    answering = source.program.answering
    if answering is not None:
        found |= {path: {"post": _named(invocation["post"], path)} for path in answering.templates}
    if answering is not None and answering.answers_root:
        found["/"] = {method: Contract(about) for method, about in fixed_paths()["/"].items()} | invocation
    if answering is not None and source.program.hides_engine and source.model_routes == "predict":
        found |= dict.fromkeys(answering.also_at, invocation)
    return found | {path: {"post": contract_of(handler, path)} for path, handler in source.program.routes.items()}


def engines_part(source: ApiSource, paths: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's routes that are served beside a Model. With `strict` there are none, and no description either."""
    if not source.program.hides_engine or source.model_routes == "engine":
        return dict(paths)
    gets = {
        path: {method: one for method, one in operations.items() if method != "post" or path in HARMLESS}
        for path, operations in paths.items()
    }
    return {path: operations for path, operations in gets.items() if operations}


def _invocation(source: ApiSource, engine: Mapping[str, Any]) -> Contract:
    answering, handler = source.program.answering, source.program.resolutions[Slot.INVOCATION].handler
    found = answering.contract() if answering is not None else None
    if found is None:
        found = contract_of(handler, Slot.INVOCATION.path) if handler else _by_payload(source.payloads, engine)
    return _surrounded(found, source.program)


def _by_payload(payloads: Mapping[str, str], engine: Mapping[str, Any]) -> Contract:
    """The contract of the default handler, from the engine's routes."""
    if not payloads:
        return Contract(operation("There is no handler, and the engine `none` has no default.", "Nothing.", _ANY_TYPE))
    shapes = [_schema_at(path, engine) or _PAYLOADS.get(key, {}) for key, path in payloads.items()]
    if takes_inputs(payloads):
        shapes.append(_INPUTS)
    media_types = {"application/json": ANYTHING, "text/event-stream": ANYTHING}  # tools read events one by one
    words = ("The engine answers, by payload.", "The engine's answer, or its stream.")
    return Contract(operation(*words, media_types, requestBody=body({"anyOf": shapes})))


def _schema_at(path: str, engine: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = engine.get(path, {}).get("post", {}).get("requestBody", {})
    found: dict[str, Any] = asked.get("content", {}).get("application/json", {}).get("schema", {})
    return found if "$ref" in found else None


def _surrounded(contract: Contract, program: Program) -> Contract:
    """Adds a note on the script's pre- and post-processing: its effect on input and output is unknown."""
    names = [one.candidate.label for one in program.around.wrappers if one.place is not WrapperSlot.THROTTLE]
    if not names:
        return contract
    note = f"{' and '.join(names)} of the script stand around it, and may take and give something else."
    said = contract.operation.get("description", "")
    return Contract({**contract.operation, "description": f"{said}\n\n{note}".strip()}, contract.components)


def _pinged(handler: Handler, method: str) -> Contract:
    """The handler's parameters with our responses: True, None and False are statuses, not bodies."""
    contract = contract_of(handler, Slot.PING.path, method)
    answers = operation(*_PING)["responses"]
    return Contract({**contract.operation, "responses": answers}, contract.components)


def _named(contract: Contract, template: str) -> Contract:
    """The contract with the path parameters of `template` added."""
    names = [{"name": n, "in": "path", "required": True, "schema": _STRING} for n in re.findall(r"{(\w+)}", template)]
    parameters = [*names, *contract.operation.get("parameters", [])]
    return Contract({**contract.operation, "parameters": parameters}, contract.components)
