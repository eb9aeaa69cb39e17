"""What `/openapi.json` describes beside the engine's own routes: ours, and those that the program's handlers answer.

What a handler takes and answers with is as its annotations say it; what they do not say is left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from handrail.core.calling import Handler
from handrail.core.contract import ANYTHING, Contract, contract_of
from handrail.core.slots import AdapterSlot, Slot, WrapperSlot
from handrail.resolve import Program
from handrail.styles.definition.schema import Task
from handrail.styles.truss.methods import ROUTES

from handrail_container.routes.execution_parameters import PATH as EXECUTION
from handrail_container.routes.truss import HARMLESS

Operation = dict[str, Any]

_QUESTION = "What does /ping do?"
_STREAM = {"type": "boolean"}
_CONTENT = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"type": "string"}, "content": _CONTENT},
}
_CHAT = {
    "type": "object",
    "required": ["messages"],
    "properties": {"messages": {"type": "array", "items": _MESSAGE, "minItems": 1}, "stream": _STREAM},
    "examples": [{"messages": [{"role": "user", "content": _QUESTION}]}],
}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [[_QUESTION]]}
#: What the engine takes by payload, where its own routes do not say.
_PAYLOADS: dict[str, dict[str, Any]] = {
    "messages": _CHAT,
    "prompt": {
        "type": "object",
        "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}, "max_tokens": {"type": "integer"}, "stream": _STREAM},
        "examples": [{"prompt": _QUESTION}],
    },
    "input": {
        "type": "object",
        "required": ["input"],
        "properties": {"input": {"anyOf": [{"type": "string"}, _TEXTS]}},
        "examples": [{"input": _QUESTION}],
    },
}
#: What a definition takes by its task; another task takes any JSON.
_TASKS: dict[Task, dict[str, Any]] = {Task.CHAT: _CHAT, Task.EMBEDDINGS: _TEXTS}
_PING_METHODS = ("GET", "POST", "HEAD")
_ANY_TYPE: dict[str, Any] = {"*/*": ANYTHING}
_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_TEXT: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}


@dataclass(frozen=True)
class Told:
    """What there is to describe: `payloads` are the engine's routes by the key of a body that chooses each,
    `model_routes` is the setting of that name."""

    program: Program
    payloads: Mapping[str, str]
    model_routes: str


def operation(summary: str, answer: str, media_types: Mapping[str, Any], **more: Any) -> Operation:
    return {"summary": summary, "responses": {"200": {"description": answer, "content": dict(media_types)}}, **more}


def fixed_paths() -> dict[str, dict[str, Any]]:
    """What is the same for every program."""
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
            "post": operation("Load a LoRA adapter.", "It is loaded.", _ANY_TYPE, requestBody=_body(source)),
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


def _body(schema: Mapping[str, Any], *, is_required: bool = True) -> dict[str, Any]:
    return {"required": is_required, "content": {"application/json": {"schema": dict(schema)}}}


def contracts(told: Told, engine: Mapping[str, Any]) -> dict[str, dict[str, Contract]]:
    """What the program's handlers answer, by path and method; `engine` are the paths of the engine's own routes."""
    invocation = {"post": _invocation(told, engine)}
    found = {"/invocations": invocation, "/predict": invocation}
    ping = told.program.resolutions[Slot.PING].handler
    if ping is not None:
        found["/ping"] = {method.lower(): _pinged(ping, method) for method in _PING_METHODS}
    if told.program.is_predict:
        found["/v1/models/{model_name}:predict"] = {"post": _named(invocation["post"])}
    if told.program.is_predict and told.model_routes == "predict":
        found |= dict.fromkeys(ROUTES.values(), invocation)
    of_model = told.program.model.routes if told.program.model is not None else {}
    return found | {path: {"post": contract_of(handler, path)} for path, handler in of_model.items()}


def engines_part(told: Told, paths: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the engine's routes that are there beside a Model; a strict one leaves none, nor a description."""
    if not told.program.is_predict or told.model_routes == "engine":
        return dict(paths)
    gets = {
        path: {method: one for method, one in operations.items() if method != "post" or path in HARMLESS}
        for path, operations in paths.items()
    }
    return {path: operations for path, operations in gets.items() if operations}


def _invocation(told: Told, engine: Mapping[str, Any]) -> Contract:
    definition, handler = told.program.definition, told.program.resolutions[Slot.INVOCATION].handler
    if definition is not None:
        words = ("The definition's run_inference answers.", "What run_inference returns, in the canonical form.")
        body = _body(_TASKS.get(definition.definition.task, {}))
        found = Contract(operation(*words, _ANY_TYPE, requestBody=body))
    elif handler is not None:
        found = contract_of(_whole(handler, told.program), Slot.INVOCATION.path)
    else:
        found = _by_payload(told.payloads, engine)
    return _surrounded(found, told.program)


def _whole(handler: Handler, program: Program) -> Handler:
    """Of a Model: what its first step takes, and what its last one gives."""
    if not program.is_predict or program.model is None:
        return handler
    methods = program.model.methods
    first, last = methods.get("preprocess", methods["predict"]), methods.get("postprocess", methods["predict"])
    return Handler(last.function, replace(first.signature, name=handler.signature.name), handler.app)


def _by_payload(payloads: Mapping[str, str], engine: Mapping[str, Any]) -> Contract:
    """The default handler: the engine, whose routes say what they take."""
    if not payloads:
        return Contract(operation("There is no handler, and the engine `none` has no default.", "Nothing.", _ANY_TYPE))
    shapes = [_schema_at(path, engine) or _PAYLOADS.get(key, {}) for key, path in payloads.items()]
    media_types = {"application/json": ANYTHING, "text/event-stream": ANYTHING}  # events: tools read them one by one
    words = ("The engine answers, by payload.", "The engine's answer, or its stream.")
    return Contract(operation(*words, media_types, requestBody=_body({"anyOf": shapes})))


def _schema_at(path: str, engine: Mapping[str, Any]) -> dict[str, Any] | None:
    body = engine.get(path, {}).get("post", {}).get("requestBody", {})
    found: dict[str, Any] = body.get("content", {}).get("application/json", {}).get("schema", {})
    return found if "$ref" in found else None


def _surrounded(contract: Contract, program: Program) -> Contract:
    """What the script's own pre- and post-processing makes of it nobody can tell."""
    names = [one.candidate.label for one in program.around.wrappers if one.place is not WrapperSlot.THROTTLE]
    if not names:
        return contract
    note = f"{' and '.join(names)} of the script stand around it, and may take and give something else."
    said = contract.operation.get("description", "")
    return Contract({**contract.operation, "description": f"{said}\n\n{note}".strip()}, contract.components)


def _pinged(handler: Handler, method: str) -> Contract:
    """Its parameters; True, None and False are no bodies, but statuses."""
    contract = contract_of(handler, Slot.PING.path, method)
    answers = operation(*_PING)["responses"]
    return Contract({**contract.operation, "responses": answers}, contract.components)


def _named(contract: Contract) -> Contract:
    """The same for any name of a model in its path."""
    name = {"name": "model_name", "in": "path", "required": True, "schema": _STRING}
    parameters = [name, *contract.operation.get("parameters", [])]
    return Contract({**contract.operation, "parameters": parameters}, contract.components)
