"""Reads a YAML definition: includes files, fills in variables and secrets, and collects every problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from handrail.core.errors import DefinitionRefused
from handrail.core.redaction import is_secret
from handrail.styles.definition.document import Document, TextSource
from pydantic import SecretStr

from handrail_container.program.definition.references import ENVIRONMENT, References, Unresolved

#: Fields whose included text is kept unchanged, so that the lines of an error are those of the file.
_LONG = ("run_inference_snippet", "source_code")
_SECRETS = "secrets"
_TEXT_TAG = "tag:yaml.org,2002:str"


def read(path: Path, references: References) -> Document:
    """Read `path`. Raises DefinitionRefused if the file is not YAML; any other problem is in the document."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        return _Reading(path, references).document(node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DefinitionRefused(f"{path}{line} is not YAML: {error.problem}.") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionRefused(f"{path} cannot be read: {error}.") from None


@dataclass
class _Reading:
    path: Path
    references: References
    lines: dict[str, int] = field(default_factory=dict)
    sources: dict[str, TextSource] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def document(self, node: Any) -> Document:
        """Convert the root node. Raises DefinitionRefused, and PyYAML's exceptions."""
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise DefinitionRefused(f"{self.path} holds no fields: write `name: value` lines.")
        data = {} if node is None else self._mapping(node, "", ())
        self._fill_secrets(data)
        hidden = frozenset(self.hidden)
        return Document(self.path, data, self.lines, self.sources, hidden, tuple(self.problems))

    def _mapping(self, node: Any, name: str, above: tuple[int, ...]) -> dict[str, Any]:
        keys = [_name(key) for key, _ in node.value]
        yaml.SafeLoader("").flatten_mapping(node)  # `<<: *other`
        found: dict[str, Any] = {}
        for key, value in node.value:
            dotted = f"{name}.{key.value}" if name else key.value
            self.lines[dotted] = key.start_mark.line + 1
            if keys.count(key.value) > 1:
                keys.remove(key.value)
                self._refuse(dotted, "is there twice: keep one.")
            found[key.value] = self._value(value, dotted, (*above, id(node)))
        return found

    def _value(self, node: Any, name: str, above: tuple[int, ...]) -> Any:
        if id(node) in above:
            return self._refuse(name, "holds itself.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, name, above)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, f"{name}.{i}", (*above, id(node))) for i, item in enumerate(node.value)]
        if node.tag == "!include":
            return self._included(node.value, name)
        return self._scalar(node, name)

    def _scalar(self, node: Any, name: str) -> Any:
        block = 2 if node.style in ("|", ">") else 1
        self.sources[name] = TextSource(self.path, node.start_mark.line + block)
        if node.tag == _TEXT_TAG:
            return self._text(node.value, name)
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            return self._refuse(name, f"cannot be read: {getattr(error, 'problem', error)}.")

    def _included(self, given: str, name: str) -> Any:
        file = self.path.parent / given.strip().strip("\"'")
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return self._refuse(name, f"includes {given!r}, and {file} cannot be read: {reason}.")
        self.sources[name] = TextSource(file, 1)
        return text if name.endswith(_LONG) else text.strip()

    def _text(self, text: str, name: str) -> Any:
        if name.endswith(_LONG):
            return self._long(text, name)
        try:
            filled = self.references.filled(text)
        except Unresolved as error:
            return self._refuse(name, str(error))
        is_secret = name.startswith(_SECRETS + ".") or (name.startswith(ENVIRONMENT) and filled.is_secret)
        if filled.is_secret:
            self.hidden.add(name)
        return SecretStr(filled.text) if is_secret else filled.text

    def _long(self, text: str, name: str) -> Any:
        if text.startswith("!include "):
            return self._refuse(
                name, f"is in quotes, so that nothing is included: write `{name.split('.')[-1]}: {text}`."
            )
        return text

    def _fill_secrets(self, data: dict[str, Any]) -> None:
        """Replace values of `config.environment` that are references to secrets."""
        declared = data.get(_SECRETS)
        config = data.get("config")
        environment = config.get("environment") if isinstance(config, dict) else None
        if not isinstance(environment, dict):
            return
        for name, value in environment.items():
            if isinstance(value, str):
                environment[name] = self._secret(name, value, declared if isinstance(declared, dict) else {})

    def _secret(self, name: str, value: str, declared: Mapping[str, Any]) -> Any:
        try:
            secret = self.references.secret(value, declared)
        except Unresolved as error:
            return self._refuse(ENVIRONMENT + name, str(error))
        if secret is not None:
            return SecretStr(secret)
        return SecretStr(value) if is_secret(name) else value

    def _refuse(self, name: str, sentence: str) -> None:
        self.problems.append((name, sentence))


def _name(key: Any) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise yaml.MarkedYAMLError(problem="a field has a name, not a list or a mapping", problem_mark=key.start_mark)
    return str(key.value)
