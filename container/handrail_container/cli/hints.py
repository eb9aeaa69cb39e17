"""The output of `--hints`, printed once the server is ready."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click
from handrail.core.contract import REFERENCE
from handrail.core.slots import Slot

from handrail_container.cli.samples import sample
from handrail_container.process.own_address import authority
from handrail_container.routes.described_paths import ApiSource, contracts

if TYPE_CHECKING:
    from handrail.core.contract import Contract
    from handrail.resolve import Program

    from handrail_container.settings.fields import Settings

_JSON = "Content-Type: application/json"
_KEY = '-H "Authorization: Bearer $KEY"'


def print_hints(program: Program, host: str, port: int, settings: Settings, payloads: Mapping[str, str]) -> None:
    """Print the handler of each slot and requests to try; `payloads` maps a body's key to the engine's route."""
    url = f"http://{authority(host, port)}"
    asks = f"curl {_KEY}" if settings.api_keys else "curl"
    source = ApiSource(program, payloads, settings.model_routes)
    lines = [
        *(f"  {sentence}" for sentence in program.sentences()),
        "Try:" if not settings.api_keys else "Try, with KEY set to one of the server's keys:",
        f"  curl -i {url}/ping",
        *(f"  {line}" for line in _invocation(source, asks, url)),
        f"  {asks} {url}/openapi.json" if settings.api_keys else f"  {url}/docs in a browser: all routes",
    ]
    with contextlib.suppress(OSError):  # standard output was closed by its reader
        click.echo("\n".join(lines))


def _invocation(source: ApiSource, asks: str, url: str) -> Iterator[str]:
    """A curl command that fits the handler's contract; if no sample fits, a hint to /openapi.json."""
    resolution = source.program.resolutions[Slot.INVOCATION]
    if resolution.handler is None and not source.payloads:
        yield "nothing at /invocations: there is no handler, and the engine `none` has no default"
        return
    contract = contracts(source, {})[Slot.INVOCATION.path]["post"]
    schema, media_type = _schema(contract.operation)
    parameters = " ".join(_parameters(contract))
    target = shlex.quote(f"{url}{Slot.INVOCATION.path}{_query(contract)}")
    start = " ".join(filter(None, (asks, target, parameters)))
    if media_type is None:
        yield f"{start} -X POST"
    elif media_type != "application/json":
        yield f"{start} …, with a body of {media_type}: see /openapi.json"
    else:
        yield from _with_json(f"{start} -H '{_JSON}' -d", contract, schema, _name(source))


def _with_json(start: str, contract: Contract, schema: Any, name: str) -> Iterator[str]:
    value = sample(schema, contract.components)
    if not contract.fits(value):
        yield f"{start} BODY, as /openapi.json describes it"
        return
    yield f"{start} {shlex.quote(json.dumps(value, ensure_ascii=False))}"
    if value == {} and not _names_fields(schema, contract):
        yield f"  with what {name} reads in place of {{}}"


def _schema(operation: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The body's schema and media type; both None if there is no body."""
    content = operation.get("requestBody", {}).get("content", {})
    return next(((one.get("schema"), media_type) for media_type, one in content.items()), (None, None))


def _names_fields(schema: Any, contract: Contract) -> bool:
    """Whether the schema names fields: only then is {} a valid body, and not a placeholder."""
    named = contract.components.get(str(schema.get("$ref")).removeprefix(REFERENCE), schema)
    return "properties" in named


def _name(source: ApiSource) -> str:
    handler = source.program.resolutions[Slot.INVOCATION].handler
    return handler.signature.name if handler is not None else "the engine"


def _required(contract: Contract, where: str) -> Iterator[tuple[str, str]]:
    for one in contract.operation.get("parameters", ()):
        if one["in"] == where and one.get("required"):
            yield one["name"], str(sample(one.get("schema"), contract.components))


def _parameters(contract: Contract) -> Iterator[str]:
    for name, value in _required(contract, "header"):
        yield f"-H {shlex.quote(f'{name}: {value}')}"
    for name, value in _required(contract, "cookie"):
        yield f"-b {shlex.quote(f'{name}={value}')}"


def _query(contract: Contract) -> str:
    pairs = urlencode(list(_required(contract, "query")))
    return f"?{pairs}" if pairs else ""
