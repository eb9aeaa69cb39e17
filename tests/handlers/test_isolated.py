"""A folder whose modules are its own: what its files import, and that nothing of it stays."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.core.errors import ImportFailed
from handrail.core.isolated import IsolatedFolder
from handrail.core.script import ISOLATED, unload


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith(ISOLATED)}


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = imported()
    yield
    assert imported() == before


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def test_each_folder_has_its_own_modules_whenever_they_are_imported(tmp_path: Path) -> None:
    code = "import helpers\ndef word():\n    import late\n    return helpers.WORD + late.WORD\n"
    folders = [
        IsolatedFolder(folder(tmp_path / word, model=code, helpers=f"WORD = {word!r}", late=f"WORD = {word!r}"), "x")
        for word in ("one", "two")
    ]
    paths = list(sys.path)
    modules = [one.load("model") for one in folders]
    assert [module.word() for module in modules] == ["oneone", "twotwo"]
    assert "helpers" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("helpers")
    for one in folders:
        one.close()
    assert sys.path == paths
    assert not [place for place in sys.path_importer_cache if Path(place).is_relative_to(tmp_path)]
    assert not list(tmp_path.rglob("*.pyc"))


def test_all_forms_of_import_find_the_folder_first(tmp_path: Path) -> None:
    code = (
        "import json\nimport os.path\nimport parts.deep.inner\nfrom parts import deep, outer\n"
        "from parts.deep.inner import X\nfrom . import sibling\nfrom .parts.outer import Y\nimport secrets\n"
        "FOUND = [json.dumps(X), parts.deep.inner.X, deep.inner.X, outer.Y, sibling.Z, Y, secrets.MINE, os.path.sep]\n"
    )
    files = {
        "parts/deep/__init__": "",
        "parts/deep/inner": "X = 1",
        "parts/outer": "from parts.deep.inner import X\nY = X + 1",
        "sibling": "Z = 3",
        "secrets": "MINE = 'mine'",
        "model": code,
    }
    own = IsolatedFolder(folder(tmp_path, **files), "x")
    module = own.load("model")
    assert module.FOUND == ["1", 1, 1, 2, 3, 2, "mine", "/"]
    assert own.load("sibling").Z == 3
    own.close()
    import secrets

    assert not hasattr(secrets, "MINE")


def test_what_needs_the_modules_name_works_until_it_is_closed(tmp_path: Path) -> None:
    code = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Seen:\n    word: str = 'x'\n"
    )
    own = IsolatedFolder(folder(tmp_path, model=code), "a/b c")
    module = own.load("model")
    assert module.__name__.startswith(f"{ISOLATED}a_b_c_")
    assert pickle.loads(pickle.dumps(module.Seen("y"))) == module.Seen("y")
    assert unload(tmp_path) == {}  # a reload of the model around it leaves it alone
    assert imported()
    own.close()
    own.close()


def test_a_failing_import_leaves_nothing(tmp_path: Path) -> None:
    own = IsolatedFolder(folder(tmp_path, model="import helpers", helpers="import nowhere"), "x")
    with pytest.raises(
        ImportFailed, match=r"model.py:1 failed to import: ModuleNotFoundError: No module named 'nowhere'"
    ):
        own.load("model")


def test_the_operators_interrupt_is_no_fault_of_the_file(tmp_path: Path) -> None:
    own = IsolatedFolder(folder(tmp_path, model="raise KeyboardInterrupt"), "x")
    with pytest.raises(KeyboardInterrupt):
        own.load("model")


def test_marks_are_those_of_the_folder(tmp_path: Path) -> None:
    code = "import handrail\n@handrail.custom_invocation_handler\ndef f(): ...\n"
    own = IsolatedFolder(folder(tmp_path, model=code), "x")
    module = own.load("model")
    assert [mark.function for mark in own.marks] == [module.f]
    own.close()
