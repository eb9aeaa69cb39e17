"""Styles and engines of other distributions: found, left out, and refused where they are broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from handrail.core.errors import PluginFault, SettingFault
from handrail.core.whole_model import Claim
from handrail.resolve import Program
from handrail_container.cli.check import check_program
from handrail_container.engine.opening import open_backend
from handrail_container.process.exits import ExitCode, PluginError, SettingsError
from handrail_container.program.load import load_program
from handrail_container.program.plugins import rescan
from handrail_container.settings.fields import Settings

Install = Callable[..., None]

STYLE = """
from handrail import ModelDirectory, Offer, Slot, Style, WholeModel

class Words(WholeModel):
    title = "Words"
    def __init__(self):
        self.handlers = {Slot.INVOCATION: self.answer}
        self.routes = {"/count": self.answer}
    async def answer(self, request):
        return len((await request.json())["text"].split())
    def rows(self):
        return ["it counts"]
    def data(self):
        return {"counts": True}

class Counting(Style):
    def find(self, directory):
        return Offer("words.txt", Words()) if (directory.path / "words.txt").exists() else None
    def flags(self, directory):
        return {"SM_VLLM_MAX_MODEL_LEN": "128"}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A distribution as pip leaves it: a module, and metadata beside it."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def installed(
        name: str, source: str, *, group: str = "handrail.styles", value: str | None = None, by: str | None = None
    ) -> None:
        module = f"{name}_plugin"
        distribution = by or f"dist-{name}"
        monkeypatch.delitem(sys.modules, module, raising=False)
        metadata = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {value or f'{module}:Counting'}\n")

    return installed


def program(path: Path, **given: str) -> Program:
    return load_program(Settings(SAGEMAKER_MODEL_PATH=path, HANDRAIL_ENGINE="echo", **given))


@pytest.fixture
def words(model_path: Path) -> Path:
    model_path.mkdir(exist_ok=True)
    (model_path / "words.txt").touch()
    return model_path


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    return tmp_path / "ml"


def test_a_style_of_another_distribution_answers(install: Install, words: Path) -> None:
    """By its function, which is adapted as a script's is, and at a route of its own."""
    install("counting", STYLE)
    found = program(words)
    assert found.faults == ()
    assert found.sentences()[1].endswith(": words.txt")
    assert list(found.routes) == ["/count"]
    assert found.answering is found.models[0]


def test_a_model_without_an_application_knows_no_request(install: Install, words: Path) -> None:
    install("counting", STYLE)
    (model,) = program(words).models
    assert model.claim({"type": "http", "path": "/count"}) is Claim.NOTHING


def test_check_lists_what_is_installed(install: Install, words: Path) -> None:
    """With distribution and version; what is left out is said to be."""
    install("counting", STYLE)
    report = check_program(model_path=words, engine="echo")
    assert "style counting: dist-counting 1.2" in report.to_text()
    assert "it counts" in report.to_text()
    assert json.loads(report.to_json())["words"] == {"counts": True}
    left_out = check_program(model_path=words, engine="echo", plugins_disabled="counting, other")
    assert "style counting: dist-counting 1.2, left out" in left_out.to_text()
    assert left_out.program.models == ()


def test_a_style_asks_for_flags(install: Install, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's go before them."""
    source = "class Counting:\n    def __new__(cls, asked):\n        return dict(asked.flags)\n"
    install("counting", STYLE)
    install("telling", source, group="handrail.engines")
    given = {"SAGEMAKER_MODEL_PATH": words, "HANDRAIL_ENGINE": "telling"}
    assert open_backend(Settings(**given), None) == {"SM_VLLM_MAX_MODEL_LEN": "128"}
    told = Settings(**given).model_copy(update={"vllm": {"SM_VLLM_MAX_MODEL_LEN": "64"}})
    assert open_backend(told, None) == {"SM_VLLM_MAX_MODEL_LEN": "64"}


def test_a_plugin_that_was_installed_meanwhile_is_found(install: Install, words: Path) -> None:
    """As one that the requirements of the model directory name."""
    assert program(words).models == ()
    install("counting", STYLE)
    rescan()
    assert len(program(words).models) == 1


BROKEN = {
    "import missing_for_ever": "cannot be imported: ModuleNotFoundError: No module named 'missing_for_ever' ({file}:1)",
    "def (": "cannot be imported: SyntaxError: ",
    "class Counting:\n    def __init__(self):\n        1 / 0": "raised ZeroDivisionError: division by zero ({file}:3)",
    "class Counting: ...": "counting_plugin:Counting is no style: make it a subclass of handrail.Style",
    "Counting = 5": "counting_plugin:Counting is no style",
    "from handrail import Style\nclass Counting(Style):\n    def find(self, directory):\n        return 5": (
        "find returned 5 ({file}:3): return Offer or None"
    ),
    "from handrail import Style\nclass Counting(Style):\n    def find(self, directory):\n        raise KeyError(1)": (
        "it raised KeyError: 1 ({file}:4)"
    ),
    "from handrail import Style\nclass Counting(Style):\n    def prepare(self, where):\n        raise KeyError(1)": (
        "it raised KeyError: 1 ({file}:4)"
    ),
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_broken_style_stops_the_start(install: Install, words: Path, tmp_path: Path, source: str) -> None:
    """With its distribution, the line, and how to leave it out."""
    install("counting", source)
    (fault,) = program(words).faults
    assert isinstance(fault, PluginFault)
    assert str(fault).startswith("the style 'counting' of dist-counting 1.2: ")
    assert BROKEN[source].format(file=tmp_path / "site" / "counting_plugin.py") in str(fault)
    assert str(fault).endswith("leave it out: HANDRAIL_PLUGINS_DISABLED=counting.")
    assert check_program(model_path=words, engine="echo").exit_code is ExitCode.SCRIPT
    assert program(words, HANDRAIL_PLUGINS_DISABLED="counting").faults == ()


def test_a_module_that_is_not_there_has_no_line(install: Install, words: Path) -> None:
    """The sentence ends with the cause, and not with empty parentheses."""
    install("counting", "", value="module_that_is_not_there:Counting")
    (fault,) = program(words).faults
    assert "No module named 'module_that_is_not_there'. Mend or uninstall it" in str(fault)


def test_flags_that_are_none_stop_the_start(install: Install, words: Path) -> None:
    install("counting", "from handrail import Style\nclass Counting(Style):\n    def flags(self, directory): ...")
    with pytest.raises(PluginError, match="flags returned None"):
        open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="echo"), None)


def test_a_fault_that_a_style_finds_is_the_programs(install: Install, words: Path) -> None:
    source = "from handrail import Style\nfrom handrail.core.errors import DefinitionRefused\n"
    source += (
        "class Counting(Style):\n    def find(self, directory):\n        raise DefinitionRefused('words.txt:1 no')"
    )
    install("counting", source)
    assert list(map(str, program(words).faults)) == ["words.txt:1 no"]


def test_a_route_that_cannot_be_a_handler_stops_the_start(install: Install, words: Path) -> None:
    install("counting", STYLE.replace('{"/count": self.answer}', '{"/count": 5}'))
    (fault,) = program(words).faults
    assert str(fault).startswith("/count: it is a int, which cannot be called")


TWO = STYLE.replace("words.txt", "words.txt of two")


def test_two_whole_models_are_refused_or_chosen(install: Install, words: Path) -> None:
    """By their priority, or by the setting."""
    (words / "words.txt of two").touch()
    install("counting", STYLE)
    install("another", TWO)
    (fault,) = program(words).faults
    assert str(fault) == (
        "/invocations has two whole models: words.txt of two and words.txt. Keep one, or choose with "
        "HANDRAIL_STYLE=another or HANDRAIL_STYLE=counting."
    )
    assert program(words, HANDRAIL_STYLE="counting").sentences()[1].endswith(": words.txt")


def test_the_higher_priority_is_served(install: Install, words: Path) -> None:
    """And the other is said to be hidden."""
    (words / "words.txt of two").touch()
    install("counting", STYLE)
    install("another", TWO.replace("class Counting(Style):", "class Counting(Style):\n    priority = 5"))
    found = program(words)
    assert found.sentences()[1].endswith(": words.txt of two")
    assert found.warnings == ("/invocations: words.txt of two hides words.txt",)
    assert len(found.models) == 1


def test_a_style_that_is_not_installed_is_no_style(words: Path) -> None:
    (fault,) = program(words, HANDRAIL_STYLE="trus").faults
    assert isinstance(fault, SettingFault)
    assert str(fault).startswith("HANDRAIL_STYLE is 'trus', and no such plugin is installed: did you mean 'truss'?")


ENGINE = """
from handrail_container.engine.none import NoBackend, NoEngine

class Shouting(NoEngine):
    def tokenize(self, text):
        return [len(text)]

class Shouts(NoBackend):
    name = "shouting"
    def __init__(self):
        super().__init__()
        self.facade = Shouting()

def Counting(asked):
    return Shouts()
"""


def test_an_engine_of_another_distribution_is_opened(install: Install, words: Path) -> None:
    install("shouting", ENGINE, group="handrail.engines")
    backend = open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="shouting"), None)
    assert (backend.name, backend.facade.tokenize("abc")) == ("shouting", [3])


@pytest.mark.parametrize(
    ("source", "said"), [("import missing_for_ever", "No module named"), ("Counting = 5", "cannot be called")]
)
def test_a_broken_engine_stops_the_start(install: Install, words: Path, source: str, said: str) -> None:
    """The one that is asked for; another is not even imported."""
    install("shouting", source, group="handrail.engines")
    with pytest.raises(PluginError, match=said) as refused:
        open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="shouting"), None)
    assert refused.value.exit_code is ExitCode.SCRIPT
    assert open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="echo"), None).name == "echo"


def test_an_engine_that_is_not_there_is_a_setting(words: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="ekho"), None)
    assert str(refused.value).startswith(
        "HANDRAIL_ENGINE is 'ekho', and no such plugin is installed: did you mean 'echo'? There are echo, none, "
    )


@pytest.mark.parametrize(("variable", "name"), [("HANDRAIL_ENGINE", "echo"), ("HANDRAIL_STYLE", "truss")])
def test_a_plugin_that_is_chosen_and_left_out_is_told(words: Path, variable: str, name: str) -> None:
    given = {variable: name, "HANDRAIL_PLUGINS_DISABLED": name}
    said = f"{variable} is '{name}', which HANDRAIL_PLUGINS_DISABLED leaves out: take it off that list, or name one of"
    settings = Settings(SAGEMAKER_MODEL_PATH=words, **given)
    if variable == "HANDRAIL_STYLE":
        (fault,) = load_program(settings).faults
        assert str(fault).startswith(said)
    else:
        with pytest.raises(SettingsError, match=said):
            open_backend(settings, None)


def test_one_name_of_two_distributions_is_refused(install: Install, words: Path) -> None:
    """Neither is taken in silence: not one of a third party for ours, nor the other way round."""
    install("echo", ENGINE, group="handrail.engines", by="other-echo")
    install("truss", STYLE, by="other-truss")
    with pytest.raises(PluginError, match=r"engine .echo. is in two distributions: handrail \S+ and other-echo 1.2"):
        open_backend(Settings(SAGEMAKER_MODEL_PATH=words, HANDRAIL_ENGINE="echo"), None)
    (fault,) = program(words).faults
    assert str(fault).endswith("Uninstall one, or leave both out: HANDRAIL_PLUGINS_DISABLED=truss.")
    assert program(words, HANDRAIL_PLUGINS_DISABLED="truss").faults == ()
