"""Handrail's own whole-model styles, named by the entry points in `handrail.styles`."""

from __future__ import annotations

from pathlib import Path

from handrail.core.errors import DefinitionRefused
from handrail.core.whole_model import ModelDirectory, Offer
from handrail.styles.app.style import AppStyle
from handrail.styles.definition.runner import Runner
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.style import DefinitionStyle
from handrail.styles.endpoint_handler.style import EndpointStyle
from handrail.styles.endpoint_handler.surroundings import EndpointSurroundings
from handrail.styles.inference_toolkit.files import locate
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
from handrail_container.program.lmi.given import script_options
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
        script = super().prepare(directory)
        return None if has_truss_script(directory.path) else script

    def surroundings(self, directory: ModelDirectory) -> ToolkitSurroundings:
        return toolkit_surroundings(directory.settings)


def has_truss_script(model_path: Path) -> bool:
    config = find_config(model_path)
    return isinstance(config, TrussConfig) and (config.folder / config.script).is_file()


def toolkit_surroundings(settings: Settings) -> ToolkitSurroundings:
    return ToolkitSurroundings(
        settings.sagemaker_program,
        settings.submit_directory,
        settings.model_server_workers,
        settings.default_accept,
        settings.engine != "none",
        process_environment(),
    )


class EndpointHandler(EndpointStyle):
    """A `handler.py` for Hugging Face's Inference Endpoints."""

    def prepare(self, directory: ModelDirectory) -> str | None:
        """As ever, but the script of a Truss or of SageMaker's toolkit comes before it, unless it is chosen."""
        is_another = has_truss_script(directory.path) or locate(
            directory.path, toolkit_surroundings(directory.settings)
        )
        is_chosen = self.surroundings(directory).is_chosen
        return super().prepare(directory) if is_chosen or not is_another else None

    def surroundings(self, directory: ModelDirectory) -> EndpointSurroundings:
        settings = directory.settings
        return EndpointSurroundings(
            settings.hf_pipeline_name,
            settings.hf_module_name,
            settings.hf_task or "",
            settings.endpoint_handler_concurrency,
            settings.engine != "none",
            settings.stall_s,
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
            settings.inputs_dialect == "lmi",
            not is_truss and settings.sagemaker_program is None,
            script_options(directory.path, process_environment()),
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
