"""Which definition a model directory has, and the model it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from handrail.core.errors import DefinitionMissing, DefinitionRefused, HandlerFault
from handrail.core.signature import ArgumentSource, Signature
from handrail.styles.definition.document import Document, validated
from handrail.styles.definition.inspection import inspect_snippet
from handrail.styles.definition.model import DefinedModel
from handrail.styles.definition.schema import Definition, DefinitionConfig
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.style import Found

from handrail_container.program.definition import references
from handrail_container.program.definition.references import References

FILES = ("model.yaml", "model.yml")
#: In place of a file's name: no definition, whatever there is.
NONE = "none"
_TYPE = "custom_inference"
_SAGEMAKER_S = 60
#: By these a file is a definition, whatever else is wrong with it: others call their files `model.yaml`, too.
_TELLING = frozenset(Definition.model_fields) - {"config", "description"}


@dataclass(frozen=True)
class Defaults:
    """For what a definition leaves open; `limit_s` is how long any request may take."""

    timeout_s: float
    workers: int
    limit_s: float = 60


@dataclass(frozen=True)
class DefinitionSource:
    """`named` is what a setting names; `environment` the process's, where variables and secrets may be."""

    folder: Path
    named: str | None
    environment: Mapping[str, str]
    secrets_path: Path


def find(place: DefinitionSource, defaults: Defaults) -> Found | None:
    """The definition, with everything that is wrong with it; None where there is none."""
    path = _path(place)
    if path is None:
        return None
    is_chosen = place.named is not None
    if not path.is_file():
        missing = DefinitionMissing(
            f"HANDRAIL_DEFINITION is {place.named!r}, and there is no file {path}. Put the definition there, or write "
            f"`{NONE}` for none."
        )
        return Found(path, faults=(missing,), is_chosen=is_chosen)
    from handrail_container.program.definition.reading import read  # PyYAML: most servers have nothing for it to read

    known = references.of_folder(path.parent, place.environment, place.secrets_path)
    try:
        document = read(path, known)
    except DefinitionRefused as fault:
        return Found(path, faults=(fault,), is_chosen=is_chosen)
    if not is_chosen and not _is_definition(document):
        return Found(path, warnings=(f"{path} is not used: it has no field of a definition",), is_foreign=True)
    model, faults = _model(document, known, defaults)
    warnings = [*_warnings(model.snippet.timeout_s, defaults.limit_s), *_of_sample(model.signature)] if model else []
    return Found(path, model, tuple(faults), tuple(warnings), is_chosen)


def _of_sample(signature: Signature) -> list[str]:
    """A parameter that a data set fills elsewhere."""
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


def _model(document: Document, known: References, defaults: Defaults) -> tuple[DefinedModel | None, list[HandlerFault]]:
    from handrail_container.program.definition import (
        templates,  # and Jinja with it, for those alone who have a definition
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
    return DefinedModel(definition, adapter, _snippet(definition, document, defaults), signature), faults


def _other_type(document: Document) -> DefinitionRefused | None:
    """Why it is no definition with a snippet: then its other fields are not ours to judge."""
    config = document.data.get("config")
    if not isinstance(config, dict) or config.get("connection_type") == _TYPE:
        return None
    name = "config.connection_type"
    if "connection_type" not in config:
        return document.refused(name, f"is missing, which means custom_connection: write `connection_type: {_TYPE}`.")
    return document.refused(name, f"is {config['connection_type']!r}: only {_TYPE} runs here.")


def _adapter_key(document: Document) -> str:
    """As far as it can be told from a document that may be wrong in other places."""
    given = document.data.get("config", {}).get("adapter") if isinstance(document.data.get("config"), dict) else None
    key = given.get("key") if isinstance(given, dict) else None
    return key if isinstance(key, str) and key else DefinitionConfig.model_fields["adapter"].default.key


def _inspected(document: Document) -> tuple[Signature | None, list[DefinitionRefused]]:
    config = document.data.get("config")
    text = config.get("run_inference_snippet") if isinstance(config, dict) else None
    if not isinstance(text, str):  # the schema has said so
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
