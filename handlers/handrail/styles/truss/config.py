"""The parts of a Truss's `config.yaml` that concern a Model. The caller parses the YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handrail.core.errors import DefinitionRefused

_LEGACY = "force-legacy-api-non-openai-compatible"


@dataclass(frozen=True)
class TrussConfig:
    """`data` is the file's content, `lines` the line of each dotted field; both are empty without a file."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def script(self) -> str:
        """The path of the class's file, relative to the folder."""
        return f"{self.text('model_module_dir', 'model')}/{self.text('model_class_filename', 'model.py')}"

    @property
    def class_name(self) -> str:
        return self.text("model_class_name", "Model")

    @property
    def names_class(self) -> bool:
        """Whether the file itself declares a Model."""
        return self.value("model_class_name") is not None or self.value("model_class_filename") is not None

    @property
    def packages(self) -> Path:
        return self.folder / self.text("bundled_packages_dir", "packages")

    @property
    def data_dir(self) -> Path:
        return self.folder / self.text("data_dir", "data")

    @property
    def secrets(self) -> Mapping[str, Any]:
        """The declared names and their defaults. Raises DefinitionRefused."""
        declared = self.value("secrets")
        if declared is not None and not isinstance(declared, Mapping):
            raise DefinitionRefused(  # the value is not quoted: it may be a secret
                f"{self.where('secrets')} secrets is a {type(declared).__name__}: name each secret on a line of its "
                "own, as `hf_access_token: null`."
            )
        return declared or {}

    @property
    def predict_concurrency(self) -> int | None:
        given = self.number("runtime.predict_concurrency", least=1)
        return None if given is None else int(given)

    @property
    def names_engine(self) -> bool:
        """Whether the file configures the Model's engine: Truss then runs up to 512 predict calls at once."""
        return self.value("trt_llm") is not None or self.value("vllm") is not None

    @property
    def is_legacy(self) -> bool:
        """Whether `engine.predict` answers with plain text; Truss's default is OpenAI's form."""
        tags = self.value("model_metadata.tags")
        return isinstance(tags, list) and _LEGACY in tags

    @property
    def streaming_read_timeout(self) -> float:
        given = self.number("runtime.streaming_read_timeout", least=0)
        return 60 if given is None else given

    @property
    def ping_interval(self) -> float | None:
        return self.number("runtime.transport.ping_interval_seconds", least=0)

    @property
    def ping_timeout(self) -> float | None:
        return self.number("runtime.transport.ping_timeout_seconds", least=0)

    def where(self, name: str) -> str:
        return f"{self.path}:{self.lines[name]}" if name in self.lines else str(self.path)

    def value(self, name: str) -> Any:
        """The value of a dotted field; None if it is missing."""
        found: Any = self.data
        for key in name.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def text(self, name: str, default: str) -> str:
        found = self.value(name)
        if found is None:
            return default
        if not isinstance(found, str) or not found.strip():
            raise self.refused(name, f"write a name, as `{name}: {default}`")
        return found

    def number(self, name: str, least: float) -> float | None:
        found = self.value(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or found < least:
            raise self.refused(name, f"write a number, {least} or more")
        return found

    def refused(self, name: str, instead: str) -> DefinitionRefused:
        return DefinitionRefused(f"{self.where(name)} {name} is {self.value(name)!r}: {instead}.")
