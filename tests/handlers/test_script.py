"""Finding the script, and running it as the module its siblings and pickles expect."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handrail.core.errors import FileMissing, ImportFailed, ScriptMissing
from handrail.core.script import Loader, find_script, make_importable, module_name, unload

from tests.handlers.conftest import Place

HANDLERS = Path(__file__).parents[2] / "handlers"


@pytest.mark.parametrize("filename", [None, ""])
def test_the_first_default_script_is_found(model_path: Path, filename: str | None) -> None:
    """`model.py`, then `code/model.py`; an empty name is an unset one; none of them is no script."""
    assert find_script(model_path, filename) is None
    (model_path / "code").mkdir()
    (model_path / "code" / "model.py").touch()
    assert find_script(model_path, filename) == model_path / "code" / "model.py"
    (model_path / "model.py").touch()
    assert find_script(model_path, filename) == model_path / "model.py"


@pytest.mark.parametrize("filename", ["handlers.py", "code/handlers.py"])
def test_a_named_script_is_the_script(place: Place, model_path: Path, filename: str) -> None:
    """CUSTOM_SCRIPT_FILENAME is taken under the model path, before any default."""
    place("no_handlers")
    assert find_script(model_path, filename=place("no_handlers", filename).relative_to(model_path).as_posix()) == (
        model_path / filename
    )


def test_a_named_script_that_is_missing_is_never_replaced(place: Place, model_path: Path) -> None:
    """It names the setting, the value and the path, and the Python files that are there."""
    place("no_handlers")
    with pytest.raises(ScriptMissing) as refusal:
        find_script(model_path, "modle.py")
    message = str(refusal.value)
    assert "CUSTOM_SCRIPT_FILENAME is 'modle.py'" in message
    assert f"no file {model_path / 'modle.py'}" in message
    assert "(model.py)" in message


def test_a_script_missing_from_an_empty_directory(model_path: Path) -> None:
    """Where there are no Python files, none are listed."""
    with pytest.raises(ScriptMissing, match=r"one that is in \S+/ml\.$"):
        find_script(model_path, "model.py")


def test_a_script_is_a_module_under_its_own_stem(place: Place) -> None:
    """It is registered before it runs, so that dataclasses and pickles in it work."""
    module = Loader().load(place("pickles_itself"))
    assert module.__name__ == "model"
    assert sys.modules["model"] is module
    assert module.custom_sagemaker_invocation_handler() == {"value": 7, "same_class": True}


def test_a_dataclass_under_future_annotations_works(place: Place) -> None:
    """`dataclasses` looks the module up by its name while it runs."""
    assert Loader().load(place("future_annotations_dataclass")).Prediction("a").prompt == "a"


@pytest.mark.parametrize("name", ["httpx.py", "colorsys.py", "json.py", "my-model.py", "2nd.py", "class.txt.py"])
def test_a_stem_that_is_not_free_becomes_a_private_name(place: Place, name: str) -> None:
    """An installed package keeps its name, imported yet or not; the private name is the same in every process."""
    script = place("pickles_itself", name)
    module = Loader().load(script)
    assert module.__name__ != script.stem
    assert module.__name__ == module_name(script)
    assert sys.modules[module.__name__] is module
    assert sys.modules.get(script.stem) is not module
    assert module.custom_sagemaker_invocation_handler()["same_class"]


def test_a_stem_found_only_as_the_script_itself_is_free(place: Place, model_path: Path) -> None:
    """That the script's directory is importable already does not take the name away."""
    make_importable(model_path)
    assert Loader().load(place("no_handlers", "handlers_env_var.py")).__name__ == "handlers_env_var"


def test_a_folder_of_the_scripts_name_is_no_rival_module(place: Place, model_path: Path) -> None:
    """`model.py` beside a folder `model/` is still the module `model`."""
    (model_path / "model").mkdir()
    make_importable(model_path)
    assert Loader().load(place("no_handlers")).__name__ == "model"


def test_a_script_inside_a_folder_of_its_name_is_loaded(place: Place, model_path: Path) -> None:
    """`model/model.py`: the folder answers to `model`, so the script is private."""
    script = place("no_handlers", "model/model.py")
    make_importable(model_path)
    assert Loader().load(script).__name__.startswith("_handrail_model_")


def test_a_sibling_imports_the_same_module(place: Place, model_path: Path) -> None:
    """`import model` in a sibling is the script itself, and a reference to the sibling's file is that sibling."""
    loader = Loader()
    script = loader.load(place("sibling_import"))
    assert script.custom_sagemaker_invocation_handler() == {"calls": 1}
    assert loader.load(model_path / "helper.py").ping() == {"calls": 1}


def test_a_sibling_never_shadows_what_is_installed(place: Place, model_path: Path) -> None:
    """The model directory is at the end of the path, once, and the script finds the installed package."""
    place("no_handlers", "colorsys.py")
    (model_path / "model.py").write_text("import colorsys\n")
    for _ in range(2):
        make_importable(model_path)
    module = Loader().load(model_path / "model.py")
    assert hasattr(module.colorsys, "rgb_to_hsv")
    assert sys.path[-1] == str(model_path)
    assert sys.path.count(str(model_path)) == 1


def test_a_users_handlers_module_stays_importable(place: Place, model_path: Path) -> None:
    """A `handlers.py` beside the script is theirs, in a process that has Handrail's own source roots on its path."""
    place("marks_in_sibling")
    program = "import sys, handrail.core.script as s; print(s.Loader().load(s.Path(sys.argv[1])).infer())"
    command = [sys.executable, "-c", program, str(model_path / "model.py")]
    run = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(HANDLERS)}, check=False)
    assert run.stdout == "sibling infer\n", run.stderr


def test_a_linked_script_keeps_its_name_and_its_siblings(place: Place, model_path: Path, tmp_path: Path) -> None:
    """Where `model.py` is a link to a file of another name elsewhere, its siblings are those beside the link."""
    script = place("sibling_import")
    script.rename(tmp_path / "0a1b2c")
    script.symlink_to(tmp_path / "0a1b2c")
    module = Loader().load(script)
    assert module.__file__ == str(script)
    assert module.custom_sagemaker_invocation_handler() == {"calls": 1}


def test_a_file_runs_once_for_one_loader(place: Place) -> None:
    """A second load gives the first one's module, or its fault."""
    loader, script = Loader(), place("no_handlers")
    assert loader.load(script) is loader.load(script.parent / "." / script.name)
    broken = place("raises_on_import", "broken.py")
    faults = []
    for _ in range(2):
        with pytest.raises(ImportFailed) as failure:
            loader.load(broken)
        faults.append(failure.value)
    assert faults[0] is faults[1]


def test_each_loader_runs_the_file_again(place: Place) -> None:
    """A second load of the program finds its decorated functions too: nothing of an earlier one answers for it."""
    script = place("native_decorators")
    assert [len(_marks(script)) for _ in range(3)] == [2, 2, 2]


def _marks(script: Path) -> list[object]:
    loader = Loader()
    loader.load(script)
    return list(loader.marks)


def test_marks_of_imported_siblings_count(place: Place) -> None:
    """The script may keep its decorated functions in modules it imports."""
    assert len(_marks(place("marks_in_sibling"))) == 2


def test_our_command_line_is_hidden(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that parses its arguments when imported sees its own name and nothing of ours."""
    monkeypatch.setattr(sys, "argv", ["handrail", "serve", "--port", "8080"])
    module = Loader().load(place("argparse_at_import"))
    assert module.custom_sagemaker_invocation_handler() == {"temperature": 0.5}
    assert sys.argv == ["handrail", "serve", "--port", "8080"]


def test_nothing_is_written_into_the_model_directory(place: Place, model_path: Path) -> None:
    """No bytecode, not for the script and not for a sibling it imports when called."""
    Loader().load(place("sibling_import")).custom_sagemaker_invocation_handler()
    assert sorted(path.name for path in model_path.rglob("*")) == ["helper.py", "model.py"]


@pytest.mark.parametrize(
    ("program", "line", "cause"),
    [
        ("syntax_error", 1, "SyntaxError: expected ':'"),
        ("missing_import", 1, "ModuleNotFoundError: No module named 'a_package_nobody_has_installed'"),
        ("raises_on_import", 2, "RuntimeError: no weights here"),
        ("raises_while_handling", 4, "RuntimeError: while handling"),
        ("evaluates_bad_syntax", 3, "SyntaxError: "),
        ("exits_on_import", 3, "SystemExit: it called sys.exit('usage: model.py CONFIG')"),
        ("marks_a_string", 3, "TypeError: @custom_ping_handler marks a function, not 'ping'"),
    ],
)
def test_a_script_that_fails_is_told_in_a_sentence(place: Place, program: str, line: int, cause: str) -> None:
    """`file:line` in the user's file, the exception and its first line; and the module is gone."""
    script = place(program)
    with pytest.raises(ImportFailed) as failure:
        Loader().load(script)
    message = str(failure.value)
    assert message.startswith(f"{script}:{line} failed to import: {cause}")
    assert "\n" not in message
    assert "model" not in sys.modules


def test_a_fault_in_a_sibling_names_the_sibling(place: Place, model_path: Path) -> None:
    """A syntax error in what the script imports is told at its own line."""
    with pytest.raises(ImportFailed, match=rf"^{model_path}/broken\.py:1 failed to import: SyntaxError"):
        Loader().load(place("syntax_error_in_sibling"))


@pytest.mark.parametrize(
    "source", [b"x = '\xe9'\n", b"x = 1\0\n", b"# coding: no-such-codec\n", b"if x:\nx\n", b"\x00"]
)
def test_bytes_that_are_no_python_are_an_import_failure(model_path: Path, source: bytes) -> None:
    """Whatever the file holds, the sentence begins with its path."""
    (model_path / "model.py").write_bytes(source)
    with pytest.raises(ImportFailed, match=rf"^{model_path}/model\.py(:\d+)? failed to import: "):
        Loader().load(model_path / "model.py")


def test_the_traceback_is_the_users_alone(place: Place) -> None:
    """It shows the user's frames in order, and neither ours nor the import system's."""
    script = place("raises_on_import")
    with pytest.raises(ImportFailed) as failure:
        Loader().load(script)
    lines = failure.value.user_traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.startswith("  File")] == [
        f'  File "{script}", line 5, in <module>',
        f'  File "{script}", line 2, in load_weights',
    ]
    assert lines[-2:] == ["RuntimeError: no weights here", "and a second line"]


def test_an_interrupt_is_passed_on(place: Place) -> None:
    """Ctrl-C during a slow import ends the start, and leaves no half-made module."""
    with pytest.raises(KeyboardInterrupt):
        Loader().load(place("interrupts_import"))
    assert "model" not in sys.modules


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "GeneratorExit", "BaseExceptionGroup('', [EOFError()])"])
@pytest.mark.parametrize("is_named", [True, False])
def test_whatever_a_script_raises_is_its_fault(model_path: Path, raised: str, is_named: bool) -> None:
    """In a server's thread, where no Ctrl-C comes: it ends no server that reloads it."""
    (model_path / "model.py").write_text(f"raise {raised}\n")
    loader = Loader()
    sys.path.append(str(model_path))

    def load() -> None:
        loader.import_module("model") if is_named else loader.load(model_path / "model.py")

    with ThreadPoolExecutor(1) as pool, pytest.raises(ImportFailed, match="failed to import"):
        pool.submit(load).result()
    assert "model" not in sys.modules


def test_a_named_module_s_interrupt_is_passed_on(model_path: Path) -> None:
    """Where it may be the operator's."""
    (model_path / "model.py").write_text("raise KeyboardInterrupt\n")
    sys.path.append(str(model_path))
    with pytest.raises(KeyboardInterrupt):
        Loader().import_module("model")


def test_a_script_must_be_a_python_file(place: Place) -> None:
    """A file that Python cannot import by its name says how it must end."""
    with pytest.raises(ImportFailed, match=r"handlers\.txt is not a Python file: its name must end in \.py"):
        Loader().load(place("no_handlers", "handlers.txt"))


def test_a_file_that_is_missing_is_missing(model_path: Path) -> None:
    """No such file is not a failed import."""
    with pytest.raises(FileMissing, match=r"there is no file .*/handlers\.py"):
        Loader().load(model_path / "handlers.py")


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("raises_on_import", "module 'handlers_of_mine' failed to import: RuntimeError: no weights here"),
        ("exits_on_import", "module 'handlers_of_mine' failed to import: SystemExit: it called sys.exit"),
        ("missing_import", "module 'handlers_of_mine' failed to import: ModuleNotFoundError: "),
    ],
)
def test_a_module_that_fails_is_told_like_a_script(place: Place, model_path: Path, program: str, cause: str) -> None:
    """References by module name report what the module raised, with its traceback."""
    script = place(program, "handlers_of_mine.py")
    make_importable(model_path)
    with pytest.raises(ImportFailed) as failure:
        Loader().import_module("handlers_of_mine")
    assert str(failure.value).startswith(cause)
    assert failure.value.user_traceback.splitlines()[1].startswith(f'  File "{script}"')


def test_importing_a_module_hides_our_command_line_too(
    place: Place, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler module that parses its arguments is imported like a script that does."""
    monkeypatch.setattr(sys, "argv", ["handrail", "--nonsense"])
    place("argparse_at_import", "handlers_of_mine.py")
    make_importable(model_path)
    assert Loader().import_module("handlers_of_mine").options.temperature == 0.5


def test_what_is_unloaded_is_imported_anew(model_path: Path) -> None:
    """Modules below the folder, and no other; they can be put back."""
    (model_path / "model.py").write_text("import beside\nVALUE = 1\n")
    (model_path / "beside.py").touch()
    first = Loader().load(model_path / "model.py")
    taken = unload(model_path)
    assert taken["model"] is first
    assert set(taken) == {"model", "beside"}
    assert not {"model", "beside"} & set(sys.modules)
    (model_path / "model.py").write_text("VALUE = 22\n")
    assert Loader().load(model_path / "model.py").VALUE == 22
    unload(model_path)
    sys.modules.update(taken)
    assert sys.modules["model"] is first


@pytest.mark.parametrize("name", ["../model.py", "a/../../model.py"])
def test_a_script_outside_the_model_directory_is_refused(model_path: Path, name: str) -> None:
    """Whether it is there or not; an absolute path is meant."""
    (model_path.parent / "model.py").touch()
    with pytest.raises(ScriptMissing, match="leaves the model directory"):
        find_script(model_path, name)
    assert find_script(model_path, str(model_path.parent / "model.py")) == model_path.parent / "model.py"
