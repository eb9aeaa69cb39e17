"""User programs on disk, and an interpreter that is the same after each test as before it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from handrail.aws.compat import PACKAGE
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.core.slots import WrapperSlot as Around
from handrail.resolve import Program, resolve
from handrail.styles.truss.style import TrussStyle

from tests.interpreter import lies_in

SCRIPTS = Path(__file__).parents[1] / "scripts"

#: Puts a user program (tests/scripts/NAME.py, or the folder of that name) into a model directory of its own.
Place = Callable[..., Path]
#: Writes `model.py` and resolves it; references go by the name of what they fill: `program(text, throttle="model:f")`.
Written = Callable[..., Program]
#: Resolves a user program; references go by slot name: `resolved("named_handlers", ping="model:ping")`.
Resolved = Callable[..., Program]


@pytest.fixture(autouse=True)
def interpreter(tmp_path: Path) -> Iterator[None]:
    """What running user programs changes in the interpreter is put back."""
    modules, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    writes_no_bytecode = sys.dont_write_bytecode
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    sys.dont_write_bytecode = writes_no_bytecode
    for name, module in list(sys.modules.items()):
        is_stand_in = name.partition(".")[0] == PACKAGE
        if modules.get(name) is not module and (is_stand_in or lies_in(module, tmp_path)):
            del sys.modules[name]
    sys.modules.update((name, module) for name, module in modules.items() if name not in sys.modules)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    folder = tmp_path / "ml"
    folder.mkdir()
    return folder


@pytest.fixture
def place(model_path: Path) -> Place:
    def copy(program: str, name: str = "model.py") -> Path:
        source = SCRIPTS / program
        if source.is_dir():
            shutil.copytree(source, model_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (model_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.with_suffix(".py"), model_path / name)
        return model_path / name

    return copy


@pytest.fixture
def resolved(place: Place, model_path: Path) -> Resolved:
    def load(program: str | None = None, name: str = "model.py", filename: str | None = None, **references: str) -> Any:
        if program is not None:
            place(program, name)
        by_slot = {Slot(slot): value for slot, value in references.items()}
        return resolve(Sources(model_path, filename, by_slot, styles=(TrussStyle(),)))

    return load


@pytest.fixture
def program(model_path: Path) -> Written:
    names = {role.value: role for role in (*Slot, *Around)}

    def write(text: str = "", **references: str) -> Program:
        (model_path / "model.py").write_text(text)
        by_role = {names[name]: value for name, value in references.items()}
        return resolve(Sources(model_path, None, by_role, styles=(TrussStyle(),)))

    return write
