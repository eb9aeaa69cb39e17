"""The DIR argument: the model directory, with an error message for anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class DirectoryType(click.Path):
    """An existing directory. For a script in its place, the error says how to serve it."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if Path(str(path)).is_file():
            self.fail(no_directory(Path(str(path))), param, ctx)
        return path


def no_directory(file: Path) -> str:
    if file.suffix != ".py":
        return f"{str(file)!r} is a file: give the directory that it is in"
    chosen = "" if file.name == "model.py" else f"CUSTOM_SCRIPT_FILENAME={file.name} in the environment and "
    return f"{str(file)!r} is a file: give {chosen}its directory, {str(file.parent)!r}"


DIRECTORY = click.argument("directory", required=False, type=DirectoryType(), metavar="[DIR]")
DEFAULT_MODEL = click.option(
    "--default-model",
    type=click.Path(exists=True, path_type=Path),
    help="Model to load where neither the environment nor DIR names one.",
)
