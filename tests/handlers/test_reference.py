"""`where:name`, as the environment variables hold it: what is accepted, and what each refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.core.errors import (
    FileMissing,
    HandlerFault,
    ImportFailed,
    MalformedReference,
    NameMissing,
    SignatureRefused,
)
from handrail.core.reference import ACCEPTED_FORMS, Reference, load, parse
from handrail.core.script import Loader
from hypothesis import example, given
from hypothesis import strategies as st

from tests.handlers.conftest import Place

SETTING = "CUSTOM_FASTAPI_PING_HANDLER"


def loaded(value: str, model_path: Path, script: Path | None = None, loader: Loader | None = None) -> object:
    return load(parse(SETTING, value), loader or Loader(), model_path, script)


@pytest.mark.parametrize(
    ("value", "where", "name"),
    [
        ("model:inference", "model", "inference"),
        ("/opt/ml/model/handlers.py:ping", "/opt/ml/model/handlers.py", "ping"),
        ("handlers.py:ping", "handlers.py", "ping"),
        ("lib/handlers.py:ping", "lib/handlers.py", "ping"),
        ("my-handlers.py:ping", "my-handlers.py", "ping"),
        ("vllm.entrypoints.openai.api_server:health", "vllm.entrypoints.openai.api_server", "health"),
        ("model:Handler.infer", "model", "Handler.infer"),
        ("  model:inference\n", "model", "inference"),
    ],
)
def test_every_accepted_form_is_parsed(value: str, where: str, name: str) -> None:
    """Each documented form gives its two halves, and reads back as it was written."""
    reference = parse(SETTING, value)
    assert (reference.where, reference.name) == (where, name)
    assert str(reference) == value.strip()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("health_check", "no colon"),
        ("/opt/ml/model/handlers.py", "no colon"),
        ("/health", "no colon"),
        ("", "no colon"),
        ("a:b:c", "more than one colon"),
        ("C:\\handlers.py:ping", "more than one colon"),
        ("model:", "'' is no name of a function"),
        ("model:my function", "'my function' is no name of a function"),
        ("model:Handler..infer", "'Handler..infer' is no name of a function"),
        (":inference", "'' is neither a module nor a file"),
        ("my-module:inference", "'my-module' is neither a module nor a file"),
        ("handlers.txt.:inference", "'handlers.txt.' is neither a module nor a file"),
    ],
)
def test_anything_else_is_malformed(value: str, why: str) -> None:
    """The refusal names the setting, quotes the value, says what is wrong with it, and shows the accepted forms."""
    with pytest.raises(MalformedReference) as refusal:
        parse(SETTING, value)
    message = str(refusal.value)
    assert message.startswith(f"{SETTING} is {value!r}: ")
    assert why in message
    assert ACCEPTED_FORMS in message


@given(st.text() | st.text("abc.:/_ é\0\n", max_size=12))
def test_any_string_is_a_reference_or_malformed(value: str) -> None:
    """No string makes parsing fail in another way, and every refusal is one line that quotes the value."""
    try:
        parsed = parse(SETTING, value)
    except MalformedReference as fault:
        message = str(fault)
    else:
        assert isinstance(parsed, Reference)
        return
    assert repr(value) in message
    assert "\n" not in message


@given(st.text().map(lambda stem: f"{stem}.py:ping") | st.from_regex(r"zz[a-z.]{1,8}:ping", fullmatch=True))
@example("nul\0.py:ping")
@example("x" * 5000 + ".py:ping")
@example("\ud800.py:ping")
@example("..data/handlers.py:ping")
def test_any_string_that_names_nothing_is_a_fault_of_ours(value: str) -> None:
    """Looking for what a reference names ends in a HandlerFault, whatever is in the name."""
    with pytest.raises(HandlerFault):
        loaded(value, Path("/nowhere/at/all"))


@pytest.mark.parametrize("name", ["model.py", "handlers_env_var.py", "my-script.py"])
def test_model_means_the_script(place: Place, model_path: Path, name: str) -> None:
    """`model:` is the script, whatever the name of its file."""
    script = place("things_to_name", name)
    assert loaded("model:inference", model_path, script)() == "found"  # type: ignore[operator]


def test_model_without_a_script_is_missing(model_path: Path) -> None:
    """`model:` where there is no script says so, and where one is looked for."""
    with pytest.raises(
        FileMissing, match=r"HANDLER is 'model:ping': model means the script.*model\.py or code/model\.py"
    ):
        loaded("model:ping", model_path)


def test_one_file_is_one_module_however_it_is_named(place: Place, model_path: Path) -> None:
    """The alias, the relative path, the absolute path, a link and the module's name all reach the file's one run."""
    script = place("things_to_name", "handlers.py")
    (model_path / "link.py").symlink_to(script)
    loader = Loader()
    values = [
        "model:inference",
        "handlers.py:inference",
        f"{script}:inference",
        "link.py:inference",
        "handlers:inference",
    ]
    assert len({loaded(value, model_path, script, loader) for value in values}) == 1


@pytest.mark.parametrize("order", [1, -1], ids=["file-first", "module-first"])
def test_one_file_of_a_package_is_one_module(place: Place, model_path: Path, order: int) -> None:
    """`lib/handlers.py:f` and `lib.handlers:f` are one run of one file, in either order."""
    place("package")
    loader = Loader()
    loader.load(model_path / "lib" / "__init__.py")
    values = ["lib/handlers.py:ping", "lib.handlers:ping"][::order]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(model_path)
        first, second = [loaded(value, model_path, None, loader) for value in values]
    assert first is second


def test_a_relative_path_may_be_a_link_out_of_the_model_directory(
    place: Place, model_path: Path, tmp_path: Path
) -> None:
    """A link that leaves the directory is the user's own doing: caches of downloaded models are made of them."""
    (tmp_path / "blob").write_bytes(place("things_to_name").read_bytes())
    (model_path / "handlers.py").symlink_to(tmp_path / "blob")
    assert loaded("handlers.py:inference", model_path)() == "found"  # type: ignore[operator]


@pytest.mark.parametrize("where", ["../outside.py", "lib/../../outside.py", "./../outside.py"])
def test_a_relative_path_stays_under_the_model_directory(model_path: Path, where: str) -> None:
    """A relative path that climbs out is refused, quoted, and the absolute path is asked for."""
    (model_path.parent / "outside.py").write_text("def ping(): pass\n")
    with pytest.raises(MalformedReference, match=rf"{SETTING} is '{where}:ping'.*leaves.*Write the absolute path"):
        loaded(f"{where}:ping", model_path)
    assert callable(loaded(f"{model_path.parent / 'outside.py'}:ping", model_path))


def test_a_folder_that_begins_with_dots_is_no_climb(place: Place, model_path: Path) -> None:
    """`..data/` is where Kubernetes mounts a ConfigMap's files."""
    place("things_to_name", "..data/handlers.py")
    assert callable(loaded("..data/handlers.py:inference", model_path))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("handlers.py:ping", r"there is no file .*/ml/handlers\.py"),
        ("/nowhere/handlers.py:ping", r"there is no file /nowhere/handlers\.py"),
        ("nowhere.at.all:ping", r"there is no module 'nowhere\.at\.all' \(no 'nowhere' is installed\)"),
        ("json.nowhere:ping", r"there is no module 'json\.nowhere' \(no 'json\.nowhere' is installed\)"),
        ("model.missing:ping", r"there is no module 'model\.missing'"),
    ],
)
def test_no_such_file_names_the_setting(place: Place, model_path: Path, value: str, message: str) -> None:
    """A file or module that is not there is told apart from one that fails, and the value is quoted."""
    with pytest.raises(FileMissing, match=rf"^{SETTING} is '{value}': {message}"):
        loaded(value, model_path, place("things_to_name"))


def test_a_file_that_cannot_be_looked_at_is_no_crash(model_path: Path) -> None:
    """A name too long for the file system is a missing file with the reason."""
    with pytest.raises(FileMissing, match=r"cannot be read: .*File name too long"):
        loaded("x" * 300 + ".py:ping", model_path)


def test_a_module_that_fails_is_not_missing(place: Place, model_path: Path) -> None:
    """A module whose own import of something fails is an import failure, and says of what."""
    place("missing_import", "handlers.py")
    with pytest.raises(ImportFailed, match="ModuleNotFoundError: No module named 'a_package_nobody_has_installed'"):
        loaded("handlers.py:ping", model_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("model:inferense", r"/ml/model\.py has no 'inferense'\. Did you mean 'inference'\?"),
        ("model:zzz", r"/ml/model\.py has no 'zzz'\. It has: Nested, WithProperty, inference\."),
        ("model:WithProperty.infr", r"WithProperty has no 'infr'\. Did you mean 'infer'\?"),
        ("model:WithProperty.zzz", r"WithProperty has no 'zzz'\. It has: infer\."),
        ("model:VERSION.zzz", r"str has no 'zzz'\. It has: capitalize, casefold, "),
        ("model:SETTINGS.getter", r"dict has no 'getter'\. Did you mean 'get'\?"),
        ("model:inference.zzz", r"function has no 'zzz'\. It has: no functions\."),
        ("sys:no_such_thing", r"module 'sys' has no 'no_such_thing'\."),
        ("folder:ping", r"module 'folder' has no 'ping'\. It has: no functions\."),
    ],
)
def test_no_such_name_says_what_is_there(place: Place, model_path: Path, value: str, message: str) -> None:
    """The file and the name are quoted, and the nearest name or all names are given."""
    script = place("things_to_name")
    (model_path / "folder").mkdir()
    loader = Loader()
    loader.load(script)
    with pytest.raises(NameMissing, match=rf"^{SETTING} is '{value}': .*{message}"):
        loaded(value, model_path, script, loader)


def test_a_long_list_of_names_is_cut(model_path: Path) -> None:
    """A module with hundreds of names does not make a sentence of hundreds of words."""
    with pytest.raises(NameMissing) as refusal:
        loaded("os:zzzzzzz", model_path)
    assert len(str(refusal.value)) < 400


def test_a_method_belongs_to_one_object(place: Place, model_path: Path) -> None:
    """`Class.method` makes the object once, with no arguments, however many references name its methods."""
    script, loader = place("method_of_class"), Loader()
    ping = loaded("model:Handler.ping", model_path, script, loader)
    infer = loaded("model:Handler.infer", model_path, script, loader)
    assert ping.__self__ is infer.__self__  # type: ignore[attr-defined]
    assert ping() == {"calls": 0, "made": 1}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("script", "value", "answer"),
    [
        ("method_of_class", "model:Handler.plain", "plain"),
        ("things_to_name", "model:Nested.Inner.infer", "inner"),
        ("things_to_name", "model:thing.infer", 1),
    ],
)
def test_dotted_names_are_followed(place: Place, model_path: Path, script: str, value: str, answer: object) -> None:
    """Static methods, nested classes and methods of a module's objects are reached by their dotted names."""
    assert loaded(value, model_path, place(script))() == answer  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("model:Strict.infer", r"Strict\(\) raised TypeError: .*'path'.*The class must be made with no arguments"),
        ("model:Quits.infer", r"Quits\(\) raised SystemExit: no weights"),
    ],
)
def test_a_class_that_cannot_be_made_is_refused(place: Place, model_path: Path, value: str, message: str) -> None:
    """What the class raised is in the sentence, exiting included, and the value is quoted."""
    with pytest.raises(SignatureRefused, match=rf"^{SETTING} is '{value}': {message}"):
        loaded(value, model_path, place("method_of_class"))


def test_a_class_that_fails_shows_the_users_lines(place: Place, model_path: Path) -> None:
    """The traceback of a failing `__init__` begins in the user's file."""
    script = place("method_of_class")
    with pytest.raises(SignatureRefused) as refusal:
        loaded("model:Quits.infer", model_path, script)
    assert refusal.value.user_traceback.splitlines()[1].strip().startswith(f'File "{script}"')


def test_a_class_written_in_c_is_refused_alike(model_path: Path) -> None:
    """A class without a source file is no different."""
    with pytest.raises(SignatureRefused, match=r"memoryview\(\) raised TypeError"):
        loaded("builtins:memoryview.tobytes", model_path)
