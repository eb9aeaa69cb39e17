"""Handrail's own whole-model styles, named by the entry points in `handrail.styles`."""

from __future__ import annotations

from handrail.core.errors import DefinitionRefused
from handrail.core.whole_model import ModelDirectory, Offer
from handrail.styles.app.style import AppStyle
from handrail.styles.definition.runner import Runner
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.style import DefinitionStyle
from handrail.styles.inference_toolkit.style import ToolkitStyle
from handrail.styles.inference_toolkit.surroundings import ToolkitSurroundings
from handrail.styles.lmi.style import LmiStyle
from handrail.styles.lmi.surroundings import LmiSurroundings
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.style import TrussStyle
from handrail.styles.truss.surroundings import Surroundings

from handrail_container.program import engine_config
from handrail_container.program.config_yaml import find_config
from handrail_container.program.definition import find as definitions
from handrail_container.settings.environment import process_environment
from handrail_container.settings.fields import Settings


class App(AppStyle):
    """A FastAPI or Starlette application."""

    def reference(self, directory: ModelDirectory) -> str | None:
        value: str | None = directory.settings.app
        return value

    def invocation(self, directory: ModelDirectory) -> str | None:
        value: str | None = directory.settings.app_invocation
        return value


class Truss(TrussStyle):
    """A `class Model` beside a `config.yaml`."""

    def config(self, directory: ModelDirectory) -> TrussConfig | DefinitionRefused | None:
        return find_config(directory.path)

    def surroundings(self, directory: ModelDirectory) -> Surroundings:
        settings = directory.settings
        return Surroundings(
            process_environment(),
            settings.secrets_path,
            settings.truss_environment,
            settings.load_retries,
            settings.redactor,
            engine_config.read(settings).lacking,
        )


class InferenceToolkit(ToolkitStyle):
    """A `code/inference.py` for SageMaker's inference toolkit."""

    def prepare(self, directory: ModelDirectory) -> str | None:
        """As ever, but a Truss's script comes before it."""
        script, config = super().prepare(directory), find_config(directory.path)
        is_truss = isinstance(config, TrussConfig) and (config.folder / config.script).is_file()
        return None if is_truss else script

    def surroundings(self, directory: ModelDirectory) -> ToolkitSurroundings:
        return toolkit_surroundings(directory.settings)


def toolkit_surroundings(settings: Settings) -> ToolkitSurroundings:
    return ToolkitSurroundings(
        settings.sagemaker_program,
        settings.submit_directory,
        settings.model_server_workers,
        settings.default_accept,
        settings.engine != "none",
        process_environment(),
    )


class Lmi(LmiStyle):
    """A `model.py` for DJL Serving's LMI container."""

    def surroundings(self, directory: ModelDirectory) -> LmiSurroundings:
        settings = directory.settings
        is_truss = isinstance(find_config(directory.path), TrussConfig)
        return LmiSurroundings(
            process_environment().get("HF_MODEL_ID"),
            settings.engine != "none",
            settings.inputs_dialect == "lmi" and "inputs_dialect" in settings.model_fields_set,
            not is_truss and settings.sagemaker_program is None,
        )


class RunInference(DefinitionStyle):
    """A `model.yaml` with a `run_inference` snippet."""

    def read(self, directory: ModelDirectory) -> Offer | None:
        settings = directory.settings

        def open_runner(snippet: Snippet, engine_url: str) -> Runner:
            from handrail_container.program.workers.pool import WorkerPool

            return WorkerPool(snippet, settings.snippet_queue, None if settings.engine == "none" else engine_url)

        found = definitions.find(
            definitions.DefinitionSource(
                directory.path, settings.definition, process_environment(), settings.secrets_path
            ),
            definitions.Defaults(settings.snippet_timeout_s, settings.snippet_workers, settings.invocation_timeout_s),
            open_runner,
        )
        for secret in definitions.secret_values(found):
            settings.redactor.hide(secret)
        return found
