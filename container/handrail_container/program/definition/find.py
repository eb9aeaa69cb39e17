"""Finds the definition of a model directory, and makes its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from handrail.core.errors import DefinitionMissing, DefinitionRefused, HandlerFault
from handrail.core.signature import ArgumentSource, Signature
from handrail.core.slots import Slot
from handrail.core.whole_model import Offer
from handrail.styles.definition.document import Document, validated
from handrail.styles.definition.inspection import NAME, inspect_snippet
from handrail.styles.definition.model import DefinedModel
from handrail.styles.definition.runner import Runner
from handrail.styles.definition.schema import Definition, DefinitionConfig
from handrail.styles.definition.snippet import Snippet

from handrail_container.program.definition import references
from handrail_container.program.definition.references import References

#: Makes the runner of a snippet; the second argument is the engine's URL.
OpenRunner = Callable[[Snippet, str], Runner]

FILES = ("model.yaml", "model.yml")
#: The setting's value for no definition, even if a file exists.
NONE = "none"
_TYPE = "custom_inference"
_SAGEMAKER_S = 60
#: A file with one of these fields is a definition, even a faulty one. Other tools have a `model.yaml`, too.
_TELLING = frozenset(Definition.model_fields) - {"config", "description"}


@dataclass(frozen=True)
class Defaults:
    """Values that a definition leaves open. `limit_s` is the server's timeout for any request."""

    timeout_s: float
    workers: int
    limit_s: float = 60


@dataclass(frozen=True)
class DefinitionSource:
    """The places to search. `named` is the setting's file; `environment` is the process's, which may hold secrets."""

    folder: Path
    named: str | None
    environment: Mapping[str, str]
    secrets_path: Path


def find(place: DefinitionSource, defaults: Defaults, open_runner: OpenRunner) -> Offer | None:
    """The definition's model, with all of its faults and warnings; None if there is no definition."""
    path = _path(place)
    if path is None:
        return None
    is_chosen = place.named is not None
    if not path.is_file():
        missing = DefinitionMissing(
            f"HANDRAIL_DEFINITION is {place.named!r}, and there is no file {path}. Put the definition there, or write "
            f"`{NONE}` for none."
        )
        return _offer(path, faults=(missing,), is_chosen=is_chosen)
    from handrail_container.program.definition.reading import read  # imports PyYAML, which most servers do not need

    known = references.folder_references(path.parent, place.environment, place.secrets_path)
    try:
        document = read(path, known)
    except DefinitionRefused as fault:
        return _offer(path, faults=(fault,), is_chosen=is_chosen)
    if not is_chosen and not _is_definition(document):
        return Offer(_label(path), warnings=(f"{path} is not used: it has no field of a definition",))
    model, faults = _model(document, known, defaults, open_runner)
    warnings = [*_warnings(model.snippet.timeout_s, defaults.limit_s), *_of_sample(model.signature)] if model else []
    return _offer(path, model, tuple(faults), tuple(warnings), is_chosen=is_chosen)


def _offer(
    path: Path,
    model: DefinedModel | None = None,
    faults: tuple[HandlerFault, ...] = (),
    warnings: tuple[str, ...] = (),
    *,
    is_chosen: bool,
) -> Offer:
    named = SimpleNamespace(__name__=NAME)  # a placeholder: only a worker may load the function
    return Offer(_label(path), model, faults, warnings, is_chosen, {Slot.INVOCATION: named})


def _label(path: Path) -> str:
    return f"the definition {path}"


def secret_values(found: Offer | None) -> Iterator[str]:
    """The values that must not appear in any log, answer or report."""
    if found is not None and isinstance(found.model, DefinedModel):
        yield from found.model.secret_values


def _of_sample(signature: Signature) -> list[str]:
    """A warning if the snippet takes `sample`, which a data set fills elsewhere."""
    takes = any(argument.source is ArgumentSource.SAMPLE for argument in signature.arguments)
    return (
        [f"{signature.where} {signature.text}: `sample` is always None here: a server has no samples"] if takes else []
    )


def _warnings(timeout_s: float, limit_s: float) -> list[str]:
    ends: dict[str, float] = {f"SageMaker ends an invocation after {_SAGEMAKER_S} s": _SAGEMAKER_S}
    ends[f"HANDRAIL_INVOCATION_TIMEOUT_S ends it after {limit_s:g} s"] = limit_s
    return [f"timeout is {timeout_s:g} s, and {what}" for what, end_s in ends.items() if timeout_s > end_s]


def _path(place: DefinitionSource) -> Path | None:
    if place.named == NONE:
        return None
    if place.named is not None:
        return place.folder / place.named
    return next((place.folder / name for name in FILES if (place.folder / name).is_file()), None)


def _is_definition(document: Document) -> bool:
    config = document.data.get("config")
    has_own = isinstance(config, dict) and not DefinitionConfig.model_fields.keys().isdisjoint(config)
    return has_own or not _TELLING.isdisjoint(document.data)


def _model(
    document: Document, known: References, defaults: Defaults, open_runner: OpenRunner
) -> tuple[DefinedModel | None, list[HandlerFault]]:
    from handrail_container.program.definition import (
        templates,  # imports Jinja, which only definitions need
    )

    other = _other_type(document)
    if other is not None:
        return None, [other]
    definition, of_fields = validated(Definition, document)
    signature, of_snippet = _inspected(document)
    key, folder = _adapter_key(document), document.path.parent / "adapters"
    adapter, of_adapter = templates.find(key, folder, known, document.where("config.adapter.key"))
    faults: list[HandlerFault] = [*of_fields, *of_snippet, *of_adapter]
    if definition is None or signature is None or adapter is None:
        return None, faults
    return DefinedModel(definition, adapter, _snippet(definition, document, defaults), signature, open_runner), faults


def _other_type(document: Document) -> DefinitionRefused | None:
    """The fault of a definition of another type, whose other fields are not checked; None if it has a snippet."""
    config = document.data.get("config")
    if not isinstance(config, dict) or config.get("connection_type") == _TYPE:
        return None
    name = "config.connection_type"
    if "connection_type" not in config:
        return document.refused(name, f"is missing, which means custom_connection: write `connection_type: {_TYPE}`.")
    return document.refused(name, f"is {config['connection_type']!r}: only {_TYPE} runs here.")


def _adapter_key(document: Document) -> str:
    """The adapter's key in a document that may be invalid; the default if there is none."""
    given = document.data.get("config", {}).get("adapter") if isinstance(document.data.get("config"), dict) else None
    key = given.get("key") if isinstance(given, dict) else None
    return key if isinstance(key, str) and key else DefinitionConfig.model_fields["adapter"].default.key


def _inspected(document: Document) -> tuple[Signature | None, list[DefinitionRefused]]:
    config = document.data.get("config")
    text = config.get("run_inference_snippet") if isinstance(config, dict) else None
    if not isinstance(text, str):  # the schema reports it
        return None, []
    source = document.source("config.run_inference_snippet")
    try:
        return inspect_snippet(text, str(source.file), source.first_line), []
    except DefinitionRefused as fault:
        return None, [fault]


def _snippet(definition: Definition, document: Document, defaults: Defaults) -> Snippet:
    config, source = definition.config, document.source("config.run_inference_snippet")
    return Snippet(
        source=config.run_inference_snippet,
        filename=str(source.file),
        first_line=source.first_line,
        folder=document.path.parent,
        environment=definition.environment,
        timeout_s=config.timeout or defaults.timeout_s,
        workers=definition.max_concurrent_requests or defaults.workers,
    )
