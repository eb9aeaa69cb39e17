"""Judges a model directory: refuses scripts of other servers that nothing would call, and warns of empty scripts."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core.errors import ForeignScript, HandlerFault, ImportFailed
from handrail.core.slots import Slot
from handrail.styles.foreign.dialects import DIALECTS, SERVERS, Dialect
from handrail.styles.foreign.outline import Outline, outline
from handrail.styles.foreign.tells import Sign
from handrail.styles.foreign.unnoticed import unnoticed
from handrail.styles.truss.methods import ENDPOINTS

_SETTING = "HANDRAIL_ALLOW_UNUSED=true"
#: Files of a directory that are looked at, where nothing in it serves.
_MOST_FILES = 32
_PROGRAM = "SAGEMAKER_PROGRAM"


@dataclass(frozen=True)
class ForeignFile:
    """A file in another server's dialect, with the signs of it; no signs if the file's name is the sign."""

    dialect: Dialect
    path: Path
    signs: tuple[Sign, ...] = ()

    @property
    def is_sure(self) -> bool:
        return not self.signs or any(sign.sure for sign in self.signs)

    def __str__(self) -> str:
        if not self.signs:
            return f"{self.path} is of {self.dialect.name}"
        names = ", ".join(dict.fromkeys(sign.what for sign in self.signs))
        return f"{self.path}:{self.signs[0].line} has {names}, as {self.dialect.name} has it"

    @property
    def advice(self) -> str:
        return f"{self.dialect.instead} (docs/compatibility/dialects.md#{self.dialect.anchor})"


@dataclass(frozen=True)
class Verdict:
    """`fault` is set if the default handlers would answer in place of a foreign script. `knows_script` says that the
    directory's own script is foreign."""

    fault: HandlerFault | None = None
    warnings: tuple[str, ...] = ()
    knows_script: bool = False


@dataclass(frozen=True)
class Surveyed:
    """Facts about the directory after its script has run: `runs` says whether a file has run, `is_known` whether the
    script defines anything of ours, `is_answered` whether /invocations has a handler, `is_served` whether a style
    serves the script."""

    model_path: Path
    script: Path | None
    runs: Callable[[Path], bool]
    is_known: bool
    is_answered: bool
    program: str | None = None
    is_refused: bool = True
    is_served: bool = False


def judge(surveyed: Surveyed) -> Verdict:
    of_script, elsewhere = _of_script(surveyed), _elsewhere(surveyed)
    foreign_files = [*of_script, *elsewhere]
    sentences = [f"{foreign_file}, and nothing here calls it. {foreign_file.advice}" for foreign_file in foreign_files]
    sentences += _unread_program(surveyed, foreign_files)
    if not (surveyed.is_known or sentences or surveyed.script):
        sentences += unnoticed(surveyed.model_path, surveyed.runs)
    others = [*_settings_files(surveyed.model_path), *_missing_program(surveyed)]
    if surveyed.is_known or not sentences:
        return Verdict(None, (*sentences, *others), bool(of_script))
    if surveyed.is_refused:
        instead = f"{_SETTING} lets the default handlers answer in its place"
        return Verdict(ForeignScript(f"{'. '.join(sentences)}. {instead}."), tuple(others))
    return Verdict(None, (*(f"{one}. The default handlers answer" for one in sentences), *others), bool(of_script))


def require_no_server(path: Path) -> None:
    """Raises ForeignScript if the file starts a server on import, which would never return."""
    found = outline(path) or Outline(path)
    run = [call for call in found.calls if not call.is_guarded]
    run += [inner for call in run for inner in found.calls_in(call.name)]
    for sign in SERVERS.find(Outline(path, calls=run)):
        raise ForeignScript(
            f"{path}:{sign.line} starts a server of its own when it is imported, {sign.what}: write it under "
            '`if __name__ == "__main__":`, or leave it out'
        )


def explained(fault: HandlerFault, path: Path | None, styles: Collection[str] = ()) -> HandlerFault:
    """`fault` with further advice, if the script that failed to import is another server's, and none of `styles`
    would serve it."""
    is_of_script = path is not None and isinstance(fault, ImportFailed | ForeignScript)
    recognised = _recognised(path, _sure) if path is not None and is_of_script and not _is_served(path) else []
    foreign_files = [one for one in recognised if one.dialect.style not in styles]
    if not foreign_files:
        return fault
    more = ". ".join(f"{one}, which nothing here calls. {one.advice}" for one in foreign_files)
    told = type(fault)(f"{fault}. Besides, {more}", fault.user_traceback)
    told.__cause__ = fault.__cause__
    return told


def _is_served(script: Path) -> bool:
    """Whether a script has an application that would be served, could it be imported."""
    made = (outline(script) or Outline(script)).assigned.get("app", "")
    return made.startswith(("fastapi.", "starlette."))


def _of_script(surveyed: Surveyed) -> list[ForeignFile]:
    """The dialects of the script, but for that in which it is served. Unsure signs count only if /invocations has no
    handler."""
    if surveyed.script is None:
        return []
    found = _recognised(surveyed.script, _sure if surveyed.is_answered else _any)
    if not surveyed.is_served:
        return found
    others = [foreign_file for foreign_file in found if not foreign_file.dialect.style]
    return others if len(others) < len(found) else []  # else a plugin serves it, and which dialect is not known


def _sure(foreign_file: ForeignFile) -> bool:
    return foreign_file.is_sure


def _any(foreign_file: ForeignFile) -> bool:
    return True


def _recognised(path: Path, counts: Callable[[ForeignFile], bool]) -> list[ForeignFile]:
    found = outline(path)
    if found is None:
        return []
    signs = [(dialect, tuple(sorted(_signs(dialect, found)))) for dialect in DIALECTS]
    foreign_files = [ForeignFile(dialect, path, them) for dialect, them in signs if them]
    sure = [foreign_file for foreign_file in foreign_files if foreign_file.is_sure]
    return [foreign_file for foreign_file in sure or foreign_files if counts(foreign_file)]


def _signs(dialect: Dialect, found: Outline) -> Iterator[Sign]:
    for tell in dialect.tells:
        yield from tell.find(found)


def _elsewhere(surveyed: Surveyed) -> list[ForeignFile]:
    """Foreign scripts in files that another server would run."""
    root, program = surveyed.model_path, _program(surveyed)
    places = [root / place for dialect in DIALECTS for place in dialect.places]
    if surveyed.script is None and not surveyed.is_known:
        places += sorted([*root.glob("*.py"), *root.glob("code/*.py")])[:_MOST_FILES]
    files = [path for path in dict.fromkeys([*([program] if program else []), *places]) if path.is_file()]
    unread = [path for path in files if not _is_read(path, surveyed)]
    scripts = [foreign_file for path in unread for foreign_file in _recognised(path, _sure)]
    told = [foreign_file.dialect for foreign_file in scripts]
    others = [dialect for dialect in DIALECTS if dialect not in told]
    named = [ForeignFile(d, root / name) for d in others for name in d.files if (root / name).is_file()]
    return [*scripts, *named]


def _is_read(path: Path, surveyed: Surveyed) -> bool:
    return path == surveyed.script or surveyed.runs(path)


def _program(surveyed: Surveyed) -> Path | None:
    """The file that SageMaker's toolkits would run; its name may be that of a module."""
    if not surveyed.program:
        return None
    names = (surveyed.program, _of_module(surveyed.program))
    places = [folder / name for folder in (surveyed.model_path / "code", surveyed.model_path) for name in names]
    return next((path for path in places if path.is_file()), None)


def _of_module(program: str) -> str:
    return f"{program.removesuffix('.py').replace('.', '/')}.py"


def _unread_program(surveyed: Surveyed, foreign_files: list[ForeignFile]) -> list[str]:
    """One sentence if SAGEMAKER_PROGRAM names a file that nothing runs and no other sentence names."""
    path = _program(surveyed)
    if path is None or _is_read(path, surveyed) or any(one.path == path for one in foreign_files):
        return []
    name = path.relative_to(surveyed.model_path) if path.is_relative_to(surveyed.model_path) else path
    return [
        f"{_PROGRAM} is {surveyed.program!r}, and {path} does not run: another file is the script. Write "
        f"CUSTOM_SCRIPT_FILENAME={name}"
    ]


def _missing_program(surveyed: Surveyed) -> list[str]:
    if not surveyed.program or _program(surveyed) is not None:
        return []
    if surveyed.script is not None and surveyed.script.name == Path(_of_module(surveyed.program)).name:
        return []  # in a folder of its own
    return [f"{_PROGRAM} is {surveyed.program!r}, and there is no such file in code/ of {surveyed.model_path}"]


def _settings_files(model_path: Path) -> list[str]:
    found = [(dialect, name) for dialect in DIALECTS for name in dialect.settings_files]
    return [
        f"{model_path / name} has settings of {dialect.name}, which are not read there: {_move(name)}"
        for dialect, name in found
        if (model_path / name).is_file()
    ]


def _move(name: str) -> str:
    """What to do with a file of settings in a folder below the model directory."""
    return f"move it to {Path(name).name} of the model directory, or write vLLM's settings as SM_VLLM_<FLAG>"


def nothing_known(path: Path, module: ModuleType) -> str:
    """The warning for a script that defines nothing known, of ours or of another server's."""
    own = [name for name, value in vars(module).items() if not name.startswith("_") and _is_own(value, module)]
    has = f"it has {', '.join(own[:8])}" if own else "it has no functions"
    return (
        f"{path} defines no handler: {has}. The default handlers answer. {_nearest(own, module)}Mark a function with "
        "`@custom_invocation_handler` (from handrail), or name it custom_sagemaker_invocation_handler"
    )


def _is_own(value: Any, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _nearest(own: list[str], module: ModuleType) -> str:
    """A hint for each name that is nearly one of ours."""
    known = [*(slot.function for slot in Slot), "Model"]
    pairs = [(name, difflib.get_close_matches(name, known, n=1)) for name in own]
    methods = [name for name in dir(vars(module).get("Model")) if not name.startswith("_")]
    pairs += [(f"Model.{name}", difflib.get_close_matches(name, ENDPOINTS, n=1)) for name in methods]
    return "".join(f"Did you mean {close[0]} for {name}? " for name, close in pairs if close and close[0] != name)
