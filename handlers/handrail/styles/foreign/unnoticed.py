"""Files that another server would run by their names, and in which nothing is known, where nothing else serves."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from handrail.styles.foreign.outline import outline

#: Names of the scripts of servers whose scripts are served here.
_SCRIPTS = ("handler.py", "pipeline.py", "inference.py", "code/inference.py", "code/handler.py")
#: Files for which a directory is mounted.
_KNOWN = ("model.py", *_SCRIPTS, "serving.properties", "model.yaml", "config.yaml")
_MOST_NAMES = 6
#: What marks the folder of a LoRA adapter, which may have a script of its own.
_ADAPTER = "adapter_config.json"


def unnoticed(model_path: Path, is_read: Callable[[Path], bool]) -> Iterator[str]:
    """A sentence for each script that does not run, and for a model directory that is one folder further down."""
    found = [path for name in _SCRIPTS if (path := model_path / name).is_file() and not is_read(path)]
    for path in found:
        yield _of(path)
    if not found and (inner := _only_folder(model_path)):
        yield inner


def _of(path: Path) -> str:
    seen = outline(path)
    if seen is None:
        return f"{path} cannot be read as Python: {_why(path)}"
    classes, functions = list(seen.classes), list(seen.functions)
    has = [*(f"class {name}" for name in classes), *(f"def {name}" for name in functions)][:_MOST_NAMES]
    told = f"{path} does not run: nothing in it is known here. It has {', '.join(has) or 'no class and no function'}"
    if path.name != "inference.py" and classes:
        return f"{told}. Call the class EndpointHandler, or set HF_MODULE_NAME={path.stem}.{classes[-1]}"
    return f"{told}. docs/compatibility/dialects.md has what is served"


def _why(path: Path) -> str:
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, OSError, ValueError, RecursionError, MemoryError) as error:
        return f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
    return "it is too large"


def _only_folder(model_path: Path) -> str | None:
    """A model directory that has been packed with its folder is one further down."""
    entries = [path for path in model_path.glob("*") if not path.name.startswith((".", "__"))]
    if len(entries) != 1 or not entries[0].is_dir():
        return None
    (folder,) = entries
    inside = next((folder / name for name in _KNOWN if (folder / name).is_file()), None)
    if inside is None or folder.name in ("code", "model") or (folder / _ADAPTER).is_file():
        return None
    return (
        f"{model_path} has nothing but the folder {folder.name}, and {inside} is not looked for there: mount that "
        f"folder, or set SAGEMAKER_MODEL_PATH={folder}"
    )
