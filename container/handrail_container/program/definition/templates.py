"""The user's adapters: sandboxed Jinja templates in `adapters/*.yaml`."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handrail.core.errors import DefinitionRefused
from handrail.styles.definition.adapter import BUILT_IN, Adapter, AdapterFailed, ModelInfo
from handrail.styles.definition.document import Document, TextSource, validated
from handrail.styles.definition.schema import AdapterFields
from handrail.styles.definition.text import from_json, to_json
from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from handrail_container.program.definition.reading import read
from handrail_container.program.definition.references import References

_PARTS = ("process_input", "process_output")


@dataclass(frozen=True)
class _Part:
    """One compiled template, and the place of its first line."""

    template: Template
    source: TextSource

    def render(self, **variables: Any) -> str:
        """The rendered text. Raises AdapterFailed with the template's line."""
        try:
            return self.template.render(**variables)
        except Exception as error:  # noqa: BLE001  a template may raise any exception
            file = self.template.filename
            frames = traceback.walk_tb(error.__traceback__)
            lines = [line for frame, line in frames if frame.f_code.co_filename == file]
            where = f"{file}:{(lines or [1])[-1] + self.source.first_line - 1}"
            raise AdapterFailed(f"{where} {type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class JinjaAdapter:
    """An adapter of templates. A direction without a template passes its input on unchanged."""

    key: str
    parts: Mapping[str, _Part] = field(default_factory=dict)

    def process_input(self, value: Any, kwargs: Mapping[str, Any], info: ModelInfo) -> str:
        part = self.parts.get("process_input")
        return part.render(input=value, kwargs=dict(kwargs), model_info=info) if part else to_json(value)

    def process_output(self, body: str, status_code: int, info: ModelInfo) -> str:
        part = self.parts.get("process_output")
        return part.render(body=body, status_code=status_code, model_info=info) if part else body


def find(
    key: str, folder: Path, references: References, where: str = ""
) -> tuple[Adapter | None, list[DefinitionRefused]]:
    """The adapter called `key`: one of `folder`, else a built-in one; None with its faults. `where` is the place of the
    key, for messages."""
    documents, unreadable = _read_all(folder, references)
    named = [document for document in documents if document.data.get("key") == key]
    if len(named) > 1:
        paths = " and ".join(document.where("key") for document in named)
        return None, [DefinitionRefused(f"{paths} are both the adapter {key!r}: keep one.")]
    if named:
        return _made(named[0])
    if key in BUILT_IN:
        return BUILT_IN[key], []
    known = [*(str(document.data.get("key")) for document in documents), *BUILT_IN]
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    missing = (
        f"{where} there is no adapter {key!r}: {hint}{folder}/*.yaml and the built-in ones are {', '.join(known)}."
    )
    return None, [DefinitionRefused(missing.strip()), *unreadable]


def _read_all(folder: Path, references: References) -> tuple[list[Document], list[DefinitionRefused]]:
    documents, faults = [], []
    for path in sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern)):
        try:
            documents.append(read(path, references))
        except DefinitionRefused as fault:
            faults.append(fault)
    return documents, faults


def _made(document: Document) -> tuple[Adapter | None, list[DefinitionRefused]]:
    fields, faults = validated(AdapterFields, document)
    if fields is None:
        return None, faults
    parts: dict[str, _Part] = {}
    for name in _PARTS:
        template = getattr(fields, name)
        if template is not None:
            try:
                parts[name] = _compiled(template.source_code, document.source(f"{name}.source_code"))
            except DefinitionRefused as fault:
                faults.append(fault)
    return (None if faults else JinjaAdapter(fields.key, parts)), faults


def _compiled(text: str, source: TextSource) -> _Part:
    file = str(source.file)
    environment = _environment()
    try:
        code = environment.compile(text, file, file)
    except TemplateSyntaxError as error:
        line, cause = error.lineno + source.first_line - 1, str(error.message).rstrip(".")
        raise DefinitionRefused(f"{file}:{line} the template is no Jinja: {cause}.") from None
    return _Part(Template.from_code(environment, code, environment.make_globals(None)), source)


def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(undefined=StrictUndefined, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    made.policies["json.dumps_kwargs"] = {"allow_nan": False}
    made.filters.update(
        fromjson=from_json, json_escape=_json_escape, zip=zip, merge=_merge, regex_replace=_regex_replace
    )
    return made


def _json_escape(text: Any) -> str:
    return to_json(str(text))[1:-1]


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings: nested mappings are merged, and any other value of `other` wins."""
    merged = dict(one)
    for name, value in other.items():
        both = isinstance(merged.get(name), Mapping) and isinstance(value, Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def _regex_replace(
    text: str, pattern: str, replacement: str, *, multiline: bool = False, ignorecase: bool = False, count: int = 0
) -> str:
    flags = (re.MULTILINE if multiline else 0) | (re.IGNORECASE if ignorecase else 0)
    return re.sub(pattern, replacement, text, count=count, flags=flags)
