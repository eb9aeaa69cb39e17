"""A parsed file of fields, validated: all problems at once, each with its line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from handrail.core.errors import DefinitionRefused
from handrail.styles.definition.schema import fields_of

M = TypeVar("M", bound=BaseModel)

_EXAMPLES = {
    "key": "key: my-model",
    "display_name": 'display_name: "My model"',
    "config": "config: with connection_type and run_inference_snippet",
    "connection_type": "connection_type: custom_inference",
    "run_inference_snippet": 'run_inference_snippet: !include "./run_inference.py"',
    "source_code": "source_code: with the template",
}


@dataclass(frozen=True)
class TextSource:
    """The place of a field's text: in the document itself, or in a file it includes."""

    file: Path
    first_line: int


@dataclass(frozen=True)
class Document:
    """A parsed file. By dotted field: `lines` has the line of each, `sources` the places of long texts, `problems` the
    errors found while reading. The values of `hidden` fields are never shown."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, TextSource] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    problems: tuple[tuple[str, str], ...] = ()

    def where(self, name: str) -> str:
        """`file:line` of the field, or of the nearest parent that exists."""
        while name and name not in self.lines:
            name = name.rpartition(".")[0]
        return f"{self.path}:{self.lines[name]}" if name else str(self.path)

    def refused(self, name: str, sentence: str) -> DefinitionRefused:
        return DefinitionRefused(f"{self.where(name)} {name} {sentence}")

    def faults(self) -> list[DefinitionRefused]:
        """The errors found while reading."""
        return [self.refused(name, sentence) for name, sentence in self.problems]

    def source(self, name: str) -> TextSource:
        return self.sources.get(name) or TextSource(self.path, self.lines.get(name, 1))


def validated(model: type[M], document: Document) -> tuple[M | None, list[DefinitionRefused]]:
    """The document as `model`, None if there are faults; and the faults, those of reading included."""
    faults, known = document.faults(), {name for name, _ in document.problems}
    try:
        made = model.model_validate(document.data)
    except ValidationError as error:
        details = [one for one in error.errors() if _dotted(one["loc"]) not in known]
        return None, [*faults, *(_fault(model, document, dict(one)) for one in details)]
    return (None if faults else made), faults


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _fault(model: type[BaseModel], document: Document, details: Mapping[str, Any]) -> DefinitionRefused:
    location = details["loc"]
    name = _dotted(location)
    if details["type"] == "missing":
        return document.refused(name, f"is missing: write `{_EXAMPLES[location[-1]]}`.")
    if details["type"] == "extra_forbidden":
        return document.refused(name, _unknown(str(location[-1]), fields_of(model, location[:-1])))
    if details["type"] == "value_error":
        return document.refused(name, f"{details['ctx']['error']}.")
    message = str(details["msg"]).removeprefix("Input ").removeprefix("String ")
    shown = "" if _is_hidden(name, document) else f"is {details['input']!r}, and "
    return document.refused(name, f"{shown}{message}.")


def _is_hidden(name: str, document: Document) -> bool:
    return name in document.hidden or name.startswith(("secrets", "config.environment"))


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    return f"is no field of a definition: {hint}"
