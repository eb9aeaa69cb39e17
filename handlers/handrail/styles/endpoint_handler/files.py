"""Where the handler is, and which class of the file it is."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from handrail.styles.endpoint_handler.surroundings import EndpointSurroundings
from handrail.styles.foreign.outline import Outline, outline

HANDLER, CLASS = "handler.py", "EndpointHandler"
#: The names of the older form.
LEGACY, LEGACY_CLASS = "pipeline.py", "PreTrainedPipeline"


def locate(model_path: Path, surroundings: EndpointSurroundings) -> Path | None:
    """The file of the handler in the model directory itself; None if there is none.

    It is what HF_DEFAULT_PIPELINE_NAME names, else the first of `handler.py` and `pipeline.py` that has the class.
    """
    if surroundings.pipeline_name is not None:
        path = model_path / surroundings.pipeline_name
        return path if path.is_file() else None
    paths = (model_path / HANDLER, model_path / LEGACY)
    return next((path for path in paths if path.is_file() and _has_class(path, surroundings)), None)


def class_names(surroundings: EndpointSurroundings) -> tuple[str, ...]:
    """The names of the class, the one that HF_MODULE_NAME (`handler.Name`) ends with first."""
    named = (surroundings.module_name or "").rpartition(".")[2]
    return tuple(filter(None, (named, CLASS, LEGACY_CLASS)))


def defined(module: ModuleType, surroundings: EndpointSurroundings) -> str | None:
    """The name of the class that the module has."""
    return next((name for name in class_names(surroundings) if vars(module).get(name) is not None), None)


def _has_class(path: Path, surroundings: EndpointSurroundings) -> bool:
    """Whether the file defines or imports the class, as far as can be seen without running it."""
    found = outline(path) or Outline(path)
    known = {*found.classes, *found.functions, *found.imported, *found.assigned}
    return not known.isdisjoint(class_names(surroundings))
