"""Vertex AI's requests: `{"instances": […]}` in, `{"predictions": […]}` out, with /invocations asked for each instance.

Its rawPredict sends bodies of any form: what has no `instances` is answered as at /invocations, streams as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from handrail.resolve import Program
from handrail.wrap.downstream import replay
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.http.answer import answering
from handrail_container.http.envelope import to_json
from handrail_container.http.explain import explain_ours
from handrail_container.routes.asked_at import as_json, at
from handrail_container.routes.beside import beside
from handrail_container.routes.endpoint import Endpoint
from handrail_container.routes.inputs.dialect import AT_ROOT
from handrail_container.routes.inputs.refusals import shown
from handrail_container.settings.fields import Settings

_INVOCATIONS = "/invocations"
#: Bodies that have their parameters beside the prompt; others have an object `parameters`.
_OF_OPENAI = frozenset({"prompt", "messages", "input"})
#: Instances of one request that are asked for at once.
_AT_ONCE = 32


class Bounds(NamedTuple):
    """The most instances of a request, and the most characters of its parameters times their number."""

    instances: int
    repeated_chars: int


def vertex_routes(
    invocation: Endpoint, program: Program, settings: Settings, known: frozenset[str]
) -> dict[str, Endpoint]:
    """The endpoint of AIP_PREDICT_ROUTE. A path that the engine answers itself stays the engine's."""
    route = settings.aip_predict_route
    if route is None or route in known:
        return {}
    path = AT_ROOT if route == "/" else route
    if program.answering is not None and program.answering.takes_instances:
        return {path: invocation}
    inner = answering(invocation.app, invocation.explain)
    app = Predictions(inner, Bounds(settings.max_n, settings.max_repeated_chars))
    return {path: replace(invocation, app=app, explain=explain_ours)}


class Predictions:
    """`invocations` answers its errors itself."""

    def __init__(self, invocations: ASGIApp, bounds: Bounds) -> None:
        self._invocations = invocations
        self._bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        payload = await beside(len(body), _payload, body)
        if payload is None:
            await self._invocations(at(scope, _INVOCATIONS), replay(body, receive), send)
            return
        bodies = await beside(len(body), _bodies, payload, self._bounds)
        room = asyncio.Semaphore(_AT_ONCE)
        asked = [asyncio.ensure_future(self._ask(scope, number, one, room)) for number, one in enumerate(bodies)]
        try:
            predictions = await asyncio.gather(*asked)
        finally:
            for one in asked:
                one.cancel()
        told = to_json({"predictions": predictions}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def _ask(self, scope: Scope, number: int, told: bytes, room: asyncio.Semaphore) -> Any:
        """The prediction for one instance. Raises HTTPException."""
        answer = _Answer()
        inner = as_json(scope, _INVOCATIONS, len(told))
        headers = [(name, value) for name, value in inner["headers"] if name != b"accept"]
        inner = {**inner, "headers": [*headers, (b"accept", b"application/json")], "state": {**scope["state"]}}
        async with room:
            await self._invocations(inner, replay(told, _never), answer.send)
        return answer.prediction(f"instances[{number}]")


class _Answer:
    """Collects the answer to one instance."""

    def __init__(self) -> None:
        self._start: Message = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message.get("body", b"")

    def prediction(self, name: str) -> Any:
        """What the answer says. Raises HTTPException, with its status, if it is an error."""
        status = self._start["status"]
        kind = Headers(raw=self._start.get("headers", [])).get("content-type", "").partition(";")[0]
        value = self._value(kind)
        if status >= 400:
            raise HTTPException(status, f"{name}: {_message(value)}")
        if value is None and not kind.endswith("json"):
            raise HTTPException(
                400, f"{name} is answered with {kind or 'nothing'}, which is no JSON: send it by rawPredict, as it is"
            )
        return value

    def _value(self, kind: str) -> Any:
        text = self._body.decode("utf-8", "replace")
        if not kind.endswith("json"):
            return text if kind.startswith("text/") and kind != "text/event-stream" else None
        try:
            return json.loads(text)
        except ValueError:
            return text


def _message(value: Any) -> str:
    error = value.get("error") if isinstance(value, dict) else value
    said = error.get("message", error) if isinstance(error, dict) else error
    return said if isinstance(said, str) else to_json(value)


async def _never() -> Message:
    """No message: when the client leaves, the request is cancelled as a whole."""
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # it has no result


def _payload(body: bytes) -> dict[str, Any] | None:
    """The object of a body with `instances`; None for any other body."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "instances" in value else None


def _bodies(payload: Mapping[str, Any], bounds: Bounds) -> list[bytes]:
    """The body of each instance. Raises HTTPException (400)."""
    instances, parameters = payload["instances"], payload.get("parameters")
    if others := payload.keys() - {"instances", "parameters"}:
        raise HTTPException(
            400, f"{shown(min(others))} is unknown beside 'instances': only 'parameters' is known there"
        )
    if not isinstance(instances, list):
        raise HTTPException(400, "'instances' is no list: write one, as [{\"inputs\": …}]")
    if parameters is not None and not isinstance(parameters, dict):
        raise HTTPException(400, "'parameters' is no object: write one, as {\"max_new_tokens\": 64}")
    if len(instances) > bounds.instances:
        raise HTTPException(400, f"there are {len(instances)} instances; HANDRAIL_MAX_N allows {bounds.instances}")
    if parameters and len(to_json(parameters)) * len(instances) > bounds.repeated_chars:
        raise HTTPException(
            400,
            f"'parameters', for each of {len(instances)} instances, are more than {bounds.repeated_chars} characters "
            "(HANDRAIL_MAX_REPEATED_CHARS): send fewer instances",
        )
    return [to_json(_body(number, one, parameters or {})).encode() for number, one in enumerate(instances)]


def _body(number: int, instance: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """An instance with the parameters that it does not set itself. One that is no object is `inputs`."""
    body = instance if isinstance(instance, dict) else {"inputs": instance}
    if body.get("stream"):
        raise HTTPException(
            400, f"instances[{number}] has 'stream', and a prediction is whole: send it by streamRawPredict, as it is"
        )
    if not parameters:
        return body
    if not _OF_OPENAI.isdisjoint(body):
        return {**parameters, **body}
    own = body.get("parameters")
    return {**body, "parameters": {**parameters, **own} if isinstance(own, dict) else own or parameters}
