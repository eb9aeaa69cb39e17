"""Loads the program of a model directory as the settings say."""

from __future__ import annotations

import shlex

from handrail.aws import compat
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.resolve import Program, resolve

from handrail_container.program import engine_config, plugins
from handrail_container.program.adoption.own_loop import apart
from handrail_container.settings.fields import Settings

#: References in published documents that vLLM has since moved. Each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}


def load_program(settings: Settings) -> Program:
    """Resolve the handlers of the model directory. Blocks while the user's modules are imported."""
    compat.install()
    engine_config.set_variables(settings)
    given = (settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES)
    refuses_foreign = settings.foreign_script == "refuse" and not settings.allow_unused
    foreign = (settings.sagemaker_program, refuses_foreign)
    found = plugins.find_styles(settings)
    guard = (settings.adopt, tuple(shlex.split(settings.script_args)))
    return apart(resolve(Sources(*given, found.styles, *foreign, settings, found.faults, *guard)), settings)
