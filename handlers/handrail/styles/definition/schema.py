"""The fields of a definition and of an adapter, as LatticeFlow documents them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from handrail.styles.definition.snippet import Value

IDENTITY = "latticeflow$identity"


class Task(StrEnum):
    CHAT = "chat_completion"
    EMBEDDINGS = "embeddings"
    CUSTOM = "custom"


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("should be a finite number")
    return value


def _plain(value: Any) -> Any:
    if not isinstance(value, str | bool | int | float | SecretStr):
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        raise ValueError(f"should be a string, a number, true or false, and is {kind}: put it in quotes")
    return value


_Count = Annotated[int, BeforeValidator(_number), Field(ge=1)]
_Seconds = Annotated[float, BeforeValidator(_number), AfterValidator(_finite), Field(gt=0)]
_Key = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_\-$]+$", max_length=250)]


class Fields(BaseModel):
    """A mapping in the file. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AdapterChoice(Fields):
    key: str = Field(default=IDENTITY, min_length=1)


class DefinitionConfig(Fields):
    connection_type: Literal["custom_inference"]
    run_inference_snippet: str
    environment: dict[str, Annotated[Any, AfterValidator(_plain)]] = {}
    timeout: _Seconds | None = None
    adapter: AdapterChoice = AdapterChoice()


class Definition(Fields):
    """A `model.yaml`. Secret values are `SecretStr`."""

    key: _Key
    display_name: str = Field(min_length=1)
    description: str | None = None
    task: Task = Task.CHAT
    rate_limit: _Count | None = None
    max_concurrent_requests: _Count | None = None
    secrets: dict[str, SecretStr] | None = None
    config: DefinitionConfig

    @property
    def environment(self) -> dict[str, Value]:
        """The environment for the snippet, with secrets in the clear."""
        return {name: in_clear(value) for name, value in self.config.environment.items()}

    @property
    def secret_values(self) -> Iterator[str]:
        """The values of all secrets that are not empty."""
        for value in (*self.config.environment.values(), *(self.secrets or {}).values()):
            if isinstance(value, SecretStr) and value.get_secret_value():
                yield value.get_secret_value()


class Template(Fields):
    language: Literal["jinja"] = "jinja"
    source_code: str


class AdapterFields(Fields):
    """A user's adapter. A direction without a template passes its value on unchanged."""

    key: _Key
    display_name: str | None = None
    description: str | None = None
    long_description: str | None = None
    provider: Literal["latticeflow", "user"] = "user"
    task: Task | None = None
    process_input: Template | None = None
    process_output: Template | None = None


def in_clear(value: Value | SecretStr) -> Value:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def fields_of(model: type[BaseModel], path: tuple[str, ...]) -> Mapping[str, Any]:
    """The fields that a mapping at `path` of `model` may have."""
    for name in path:
        annotation = model.model_fields[name].annotation
        inner = [kind for kind in (annotation, *getattr(annotation, "__args__", ())) if _is_fields(kind)]
        if not inner:
            return {}
        model = inner[0]
    return model.model_fields


def _is_fields(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Fields)
