"""Where the toolkit's script is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handrail.styles.foreign.outline import Outline, outline
from handrail.styles.inference_toolkit.functions import ARGUMENTS
from handrail.styles.inference_toolkit.surroundings import ToolkitSurroundings

#: The folder of the script in the model directory, and the script's name there.
CODE, SCRIPT = "code", "inference.py"


def locate(model_path: Path, surroundings: ToolkitSurroundings) -> Path | None:
    """The script: `code/inference.py`, or what SAGEMAKER_PROGRAM names; None if there is none.

    In the model directory itself, `inference.py` counts if it has functions of the toolkit.
    """
    program = surroundings.program
    name = SCRIPT if program is None else _file_name(program)
    for folder in _folders(model_path, surroundings):
        path = folder / name
        if path.is_file() and (folder != model_path or program is not None or has_functions(path)):
            return path
    return None


def _file_name(program: str) -> str:
    """`inference`, as the name of a module, is `inference.py`."""
    return program if program.endswith(".py") else f"{program.replace('.', '/')}.py"


def _folders(model_path: Path, surroundings: ToolkitSurroundings) -> Iterator[Path]:
    submitted = surroundings.submit_directory
    if submitted is not None and is_local(submitted):
        yield Path(submitted)
    yield from (model_path / CODE, model_path)


def is_local(submitted: str) -> bool:
    return "://" not in submitted


def has_functions(path: Path) -> bool:
    """Whether the file defines or imports functions of the toolkit, as far as can be seen without running it."""
    found = outline(path) or Outline(path)
    return any(name in found.functions or name in found.imported for name in ARGUMENTS)
