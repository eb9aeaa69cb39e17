"""The LoRA adapters that the engine loads at its start, and their code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from handrail.adapter_code import SCRIPT, AdapterCode
from handrail.core.errors import HandlerFault, SettingFault

from handrail_container.program import adapter_code, engine_config
from handrail_container.program.plugins import flags_of_styles
from handrail_container.settings.fields import Settings
from handrail_container.settings.vllm_flags import PREFIX, engine_flags, tokens

_FLAG = "LORA_MODULES"
_VARIABLE = f"{PREFIX}{_FLAG}"


@dataclass(frozen=True)
class StartupCode:
    """The code of these adapters by name. The server does not start if there are `faults`."""

    codes: Mapping[str, AdapterCode] = field(default_factory=dict)
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        return [f"the adapter {name}: {said}" for name, code in self.codes.items() for said in code.sentences()]


def named(flags: Mapping[str, str]) -> dict[str, str]:
    """The paths or hub ids of the adapters that `SM_VLLM_LORA_MODULES` names. What vLLM would refuse is left out."""
    value = engine_flags(flags).get(_FLAG, "")
    return dict(filter(None, map(_pair, tokens(_FLAG, value)[1:]))) if value else {}


def _pair(token: str) -> tuple[str, str] | None:
    name, sign, path = token.partition("=")
    if sign and not token.startswith("{"):
        return name, path
    try:
        module = json.loads(token)
        return str(module["name"]), str(module["path"])
    except (ValueError, KeyError, TypeError):
        return None


def load(settings: Settings) -> StartupCode:
    """Load the code of the adapters that are on this machine. Blocks while it is imported; faults are collected."""
    if settings.engine == "none":
        return StartupCode()
    flags = {**dict(flags_of_styles(settings)), **(engine_config.read(settings).flags or {})}
    codes, faults = dict[str, AdapterCode](), list[HandlerFault]()
    adapters = named(flags)
    for name, path in adapters.items() if settings.adapters_code not in ("ignore", "refuse") else ():
        try:
            code = adapter_code.load(Path(path).absolute(), name)
            codes |= {name: code} if code is not None else {}
        except HandlerFault as fault:
            faults.append(_of_adapter(name, fault))
    unused = [(name, Path(path) / SCRIPT) for name, path in adapters.items() if (Path(path) / SCRIPT).is_file()]
    if settings.adapters_code == "refuse":
        faults += [SettingFault(f"{_unused(*one)}refuse. Set model to let it run, or ignore") for one in unused]
    warnings = [f"{_unused(*one)}ignore" for one in unused] if settings.adapters_code == "ignore" else []
    return StartupCode(codes, tuple(faults), (*warnings, *_of_hub(adapters, settings)))


def without_code(loaded: Mapping[str, str], codes: Mapping[str, AdapterCode]) -> list[str]:
    """A sentence for each adapter that the engine has found elsewhere, as in a file of its flags, and that has code."""
    scripts = {name: Path(path) / SCRIPT for name, path in loaded.items() if name not in codes}
    return [
        f"the adapter {name!r} is loaded without its {script}: name the adapter in {_VARIABLE}, or load it with POST "
        "/adapters"
        for name, script in scripts.items()
        if script.is_file()
    ]


def _of_adapter(name: str, fault: HandlerFault) -> HandlerFault:
    told = type(fault)(f"the adapter {name!r} of {_VARIABLE}: {fault}", fault.user_traceback)
    told.__cause__ = fault.__cause__  # an import that requirements may mend
    return told


def _unused(name: str, script: Path) -> str:
    return f"{_VARIABLE} names the adapter {name!r}, whose {script} does not run: HANDRAIL_ADAPTERS_CODE is "


def _of_hub(adapters: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """The engine fetches an adapter of the hub itself, when its code should have been loaded already."""
    for name, path in adapters.items() if settings.adapters_code == "hub" else ():
        if not Path(path).is_dir():
            yield (
                f"{_VARIABLE} names the adapter {name!r} by its id {path!r}: its weights are loaded, and not its code, "
                "if it has any. Load it with POST /adapters, or name a directory"
            )
