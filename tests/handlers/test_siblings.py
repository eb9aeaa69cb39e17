"""Files beside the script: how imports of them fail, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.core.errors import ImportFailed
from handrail.core.script import Loader, make_importable
from handrail.core.siblings import hidden_siblings, hiding
from handrail.core.tracebacks import explain


def failure(model_path: Path, **files: str) -> str:
    """What is said where `model.py` cannot be imported."""
    for name, text in files.items():
        (model_path / f"{name}.py").write_text(text)
    with pytest.raises(ImportFailed) as failed:
        Loader().load(model_path / "model.py")
    return str(failed.value)


def test_a_circle_of_imports_is_called_one(model_path: Path) -> None:
    """In Python's own words, with the line at fault."""
    message = failure(model_path, model="import helper\nLIMIT = 3\n", helper="\nfrom model import LIMIT\n")
    assert message.startswith(f"{model_path}/model.py:1 failed to import: ImportError: cannot import name 'LIMIT'")
    assert "partially initialized module 'model' (most likely due to a circular import)" in message
    assert message.endswith(f"It was raised at {model_path}/helper.py:2")


def test_a_circle_by_attribute_is_called_one(model_path: Path) -> None:
    message = failure(model_path, model="import helper\nLIMIT = 3\n", helper="import model\nmodel.LIMIT\n")
    assert "partially initialized module 'model'" in message
    assert "circular import" in message


def test_what_has_been_imported_is_initialized(model_path: Path) -> None:
    """Python says so of a circle alone."""
    (model_path / "model.py").write_text("import helper\n")
    (model_path / "helper.py").write_text("def ask():\n    from model import LIMIT\n")
    module = Loader().load(model_path / "model.py")
    with pytest.raises(ImportError) as raised:
        module.helper.ask()
    assert "partially" not in str(raised.value)


def test_an_error_of_a_sibling_has_its_own_line(model_path: Path) -> None:
    """And the script's, by which it was imported; a library's line is nobody's."""
    message = failure(model_path, model="import helper\n", helper="import json\nROWS = json.loads('{')\n")
    assert message.startswith(f"{model_path}/model.py:1 failed to import: JSONDecodeError")
    assert message.endswith(f"It was raised at {model_path}/helper.py:2")


def test_a_syntax_error_of_a_sibling_is_told_at_its_own_line_alone(model_path: Path) -> None:
    message = failure(model_path, model="import helper\n", helper="\ndef f(:\n")
    assert message.startswith(f"{model_path}/helper.py:2 failed to import: SyntaxError")
    assert "It was raised" not in message


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("from .helper import X", "from helper import X"),
        ("from ..lib.helper import X, Y  # both", "from lib.helper import X, Y"),
        ("from . import helper", "import helper"),
        ("from .helper import (\n    X,\n)", "from helper import …"),
    ],
)
def test_a_relative_import_is_rewritten(model_path: Path, line: str, instead: str) -> None:
    (model_path / "__init__.py").touch()
    message = failure(model_path, model=f"{line}\n", helper="X = Y = 1\n")
    assert "attempted relative import" in message
    assert f"its folder is importable: write `{instead}`" in message


@pytest.mark.parametrize(
    "line",
    ["import importlib\nimportlib.import_module('.helper', '')\n", "__import__('helper', globals(), None, [], 9)\n"],
)
def test_a_relative_import_that_is_written_otherwise_is_left_to_python(model_path: Path, line: str) -> None:
    assert "importable: write" not in failure(model_path, model=line)


HIDDEN = {
    "from secrets import API_KEY": "secrets",
    "import secrets\nKEY = secrets.API_KEY": "secrets",
    "import types.prompts": "types",
    "from sys import PROMPT": "sys",
    "from httpx import ask": "httpx",
}


@pytest.mark.parametrize("text", HIDDEN)
def test_an_import_of_a_hidden_file_names_it(model_path: Path, text: str) -> None:
    name = HIDDEN[text]
    message = failure(model_path, model=f"{text}\n", **{name: "API_KEY = PROMPT = ask = 1\n"})
    assert f"`import {name}` gives " in message
    assert f", and not {model_path}/{name}.py: rename yours" in message


def test_a_hidden_folder_is_named_too(model_path: Path) -> None:
    (model_path / "queue").mkdir()
    (model_path / "queue" / "__init__.py").write_text("JOBS = 1\n")
    assert f"and not {model_path}/queue: rename yours" in failure(model_path, model="from queue import JOBS\n")


def test_what_is_not_hidden_is_not_blamed(model_path: Path) -> None:
    """A file that is reached, a folder that is, and a library's own mistakes."""
    (model_path / "lib").mkdir()
    (model_path / "lib" / "__init__.py").touch()
    assert "rename" not in failure(model_path, model="from lib import JOBS\n")
    assert "rename" not in failure(model_path, model="from helper import JOBS\n", helper="")
    assert "rename" not in failure(model_path, model="from json import JOBS\n")


def test_a_handler_that_imports_late_hears_of_it(model_path: Path) -> None:
    (model_path / "secrets.py").write_text("API_KEY = 1\n")
    (model_path / "model.py").write_text("def answer():\n    from secrets import API_KEY\n    return API_KEY\n")
    answer = Loader().load(model_path / "model.py").answer
    with pytest.raises(ImportError) as raised:
        answer()
    told = explain(raised.value, answer)
    assert f"and not {model_path}/secrets.py: rename yours" in told.message
    assert "rename yours" in told.traceback
    assert told.where == f"{model_path}/model.py:2"


def test_an_error_without_a_name_hides_nothing(model_path: Path) -> None:
    assert hiding(ImportError("no"), model_path) == ""
    assert hiding(AttributeError("no", obj=3), model_path) == ""
    assert hiding(ValueError("no"), model_path) == ""


def test_siblings_that_import_does_not_reach_are_named(model_path: Path) -> None:
    """An installed module, a module of Python's own, imported anywhere; not the script, nor what is reached."""
    for name in ("model", "httpx", "sys", "mine", "not-a-module"):
        (model_path / f"{name}.py").touch()
    (model_path / "model.py").write_text("import os, sys\nimport mine\n")
    (model_path / "mine.py").write_text("def f():\n    from httpx._client import Client\n    return Client\n")
    make_importable(model_path)
    hidden = hidden_siblings(model_path / "model.py")
    assert [Path(line.partition(" is hidden")[0]).name for line in hidden] == ["httpx.py", "sys.py"]
    assert "`import httpx` gives" in hidden[0]
    assert "a module of Python's own" in hidden[1]
    assert hidden_siblings(None) == []


def test_a_sibling_that_nothing_imports_by_its_name_is_not_hidden(model_path: Path) -> None:
    """The usual layout of a Truss: a package, its tests in it, and more packages above; a file that is no Python."""
    for name in ("__init__", "test", "httpx", "types", "json", "email", "broken"):
        (model_path / f"{name}.py").touch()
    (model_path / "broken.py").write_text("import test, types, httpx, (\n")
    package = model_path.name
    (model_path / "model.py").write_text(
        f"from .test.deep import x\nfrom . import types, os\nfrom {package}.httpx import y\nimport {package}.json\n"
        f"from {package} import email\nimport types, json, email\nTEXT = 'import test'\n"
    )
    make_importable(model_path)
    assert hidden_siblings(model_path / "model.py") == []
