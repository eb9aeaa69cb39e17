"""The engine arguments that a construction gives, as the record takes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.engine.vllm.names import vllm
from handrail_container.program.adoption.record import Adoption, Construction, KnownArguments
from handrail_container.program.truss_flags import has_gpu


def record(adoption: Adoption, name: str, given: Mapping[str, Any]) -> Construction:
    """Raises AdoptionRefused, and TypeError for an argument that no version of vLLM has had."""
    where, known = called_at(), known_arguments()
    return adoption.record(name, where, given, KnownArguments(known, has_gpu()))


def known_arguments() -> Mapping[str, Any]:
    """vLLM's engine arguments, with their defaults."""
    return _defaults(vllm("AsyncEngineArgs"))


def of_engine_args(engine_args: Any) -> dict[str, Any]:
    """The fields whose values are not the defaults; and what the object remembers of arguments that are gone."""
    gone = dict(getattr(engine_args, "handrail_gone", {}))
    defaults = _defaults(type(engine_args))
    return {**gone, **{name: value for name, value in _values(engine_args) if not _is_same(value, defaults[name])}}


_ARGUMENTS = "handrail_arguments"


def remember_arguments(config: Any, given: Mapping[str, Any]) -> None:
    """Have a VllmConfig keep the arguments that it was made of."""
    object.__setattr__(config, _ARGUMENTS, dict(given))


def of_config(config: Any) -> dict[str, Any]:
    """The arguments that a VllmConfig was made of; of one that was made of its parts, those that name the model."""
    arguments = vars(config).get(_ARGUMENTS)
    if arguments is not None:
        return dict(arguments)
    model = config.model_config
    return {"model": model.model, "revision": model.revision, "max_model_len": model.max_model_len}


def _values(engine_args: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(engine_args, field.name)) for field in dataclasses.fields(engine_args)]


def _is_same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))


def _defaults(cls: type) -> dict[str, Any]:
    """The values of an object that is made without arguments, also those that `__post_init__` makes of them."""
    fields = dataclasses.fields(cls)
    made = {
        field.name: field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        for field in fields
    }
    try:
        plain = cls()
    except Exception:  # noqa: BLE001  vLLM's own checks may refuse an object without a model
        return made
    return {field.name: getattr(plain, field.name) for field in fields}
