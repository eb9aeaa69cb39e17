"""LMI's configuration of a model directory and an environment: what each key becomes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from handrail_container.program.config_field import Field, Outcome
from handrail_container.program.lmi import given, options, server_keys
from handrail_container.program.lmi.given import OPTION, Given, UnreadableProperties
from handrail_container.program.lmi.ruling import Place, Ruling


@dataclass(frozen=True)
class LmiConfig:
    """`flags` are `SM_VLLM_*` variables; `dialect` and `formatter` are of answers to `{"inputs": …}`, None where
    nothing says; `problem` is a sentence on a file that cannot be read."""

    fields: tuple[Field, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    formatter: str | None = None
    problem: str | None = None
    #: A sentence on GPUs that LMI would use, and vLLM does not where no flag says how many.
    idle_gpus: str | None = None

    @property
    def sentence(self) -> str | None:
        """What the log says of it."""
        told = "; ".join(f"{row.name} {row.outcome}: {row.note}" for row in self.fields)
        return f"LMI's configuration: {told}" if told else None


def read(folder: Path, environment: Mapping[str, str], gpus: int) -> LmiConfig:
    try:
        found = given.collect(folder, environment)
    except UnreadableProperties as problem:
        return LmiConfig(problem=str(problem))
    chosen: dict[str, Given] = {}
    for one in found:
        chosen.setdefault(one.key, one)
    script = environment.get("CUSTOM_SCRIPT_FILENAME") or "model.py"
    place = Place(folder, script, gpus, {key: one.value for key, one in chosen.items()})
    rulings = [(one, _ruling(one, chosen, place)) for one in found]
    return _config(list(_without_conflicts(rulings)), gpus)


def _ruling(one: Given, chosen: Mapping[str, Given], place: Place) -> Ruling:
    first = chosen[one.key]
    if first is not one:
        return Ruling(Outcome.IGNORED, f"{first.label} comes first")
    if not one.value:
        return Ruling(Outcome.IGNORED, "it has no value")
    if one.key.startswith(OPTION):
        return options.ruling(one.key.removeprefix(OPTION), one.value, place)
    return server_keys.ruling(one.key, one.value, place, is_variable=not one.where)


def _without_conflicts(rulings: list[tuple[Given, Ruling]]) -> Iterator[tuple[Given, Ruling]]:
    """Refuse the second of two options of one source that give a flag different values."""
    asked: dict[str, tuple[Given, str]] = {}
    for one, ruled in rulings:
        others = [asked[name] for name in ruled.flags if name in asked]
        asked |= {name: (one, value) for name, value in ruled.flags.items() if name not in asked}
        if not others:
            yield one, ruled
        elif others[0][1] in ruled.flags.values() or others[0][0].source != one.source:
            yield one, replace(ruled, outcome=Outcome.IGNORED, note=f"{others[0][0].label} comes first", flags={})
        else:
            note = f"{one.value!r} is not what {others[0][0].label} says, {others[0][1]}: keep one"
            yield one, replace(ruled, outcome=Outcome.REFUSED, note=note, flags={})


def _config(rulings: list[tuple[Given, Ruling]], gpus: int) -> LmiConfig:
    fields = tuple(Field(o.name, o.where, r.outcome, r.note, r.flags, is_warned=r.is_warned) for o, r in rulings)
    inputs = {name: value for _, ruled in rulings for name, value in ruled.inputs.items()}
    flags = {name: value for _, ruled in rulings for name, value in ruled.flags.items()}
    idle = (
        f"LMI would use all {gpus} GPUs of this machine for the model, and vLLM uses one: set "
        "option.tensor_parallel_degree=max (or OPTION_TENSOR_PARALLEL_DEGREE), or 1"
    )
    told = idle if gpus > 1 and fields else None
    return LmiConfig(fields, flags, inputs.get("dialect"), inputs.get("formatter"), idle_gpus=told)


def nearest(name: str) -> str | None:
    """The option of LMI's whose name is nearly that of a field, as the operator would write it; None if none is."""
    prefix = next(start for start in ("option.", "OPTION_", "") if name.startswith(start))
    close = difflib.get_close_matches(name.removeprefix(prefix).lower(), options.RULES, n=1, cutoff=0.8)
    if not close:
        return None
    return f"{prefix}{close[0].upper() if prefix == 'OPTION_' else close[0]}"
