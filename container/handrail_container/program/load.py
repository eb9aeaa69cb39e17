"""A model directory becomes a program: what the settings say of it, handed to the ladder."""

from __future__ import annotations

from handrail.aws import compat
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.resolve import Program, resolve
from handrail.styles.definition.style import Found
from handrail.styles.truss.surroundings import Surroundings

from handrail_container.program import engine_config
from handrail_container.program.config_yaml import find_config
from handrail_container.program.definition import find as definitions
from handrail_container.settings.environment import process_environment
from handrail_container.settings.fields import Settings

#: References that documents name and vLLM has since moved: each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}


def load_program(settings: Settings) -> Program:
    """Resolve the handlers of the model directory. Blocks, for as long as the user's imports take."""
    compat.install()
    engine_config.set_variables(settings)
    config = find_config(settings.model_path)
    surroundings = Surroundings(
        process_environment(),
        settings.secrets_path,
        settings.truss_environment,
        settings.load_retries,
        settings.redactor,
        engine_config.read(settings).lacking,
    )
    given = (settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES)
    foreign = (settings.sagemaker_program, settings.foreign_script == "refuse")
    return resolve(Sources(*given, config, surroundings, _definition(settings), *foreign))


def _definition(settings: Settings) -> Found | None:
    found = definitions.find(
        definitions.DefinitionSource(
            settings.model_path, settings.definition, process_environment(), settings.secrets_path
        ),
        definitions.Defaults(settings.snippet_timeout_s, settings.snippet_workers, settings.invocation_timeout_s),
    )
    for secret in found.model.secret_values if found is not None and found.model is not None else ():
        settings.redactor.hide(secret)
    return found
