"""A Truss's `requirements` and `requirements_file`: installed as requirements.txt is, each named with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from handrail_container.cli.check import check_program
from handrail_container.process.exits import RequirementsError
from handrail_container.program.requirements import find, install, plan
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.container.test_requirements import NAME, target, throw_away, wheels
from tests.container.test_server import running
from tests.servers import run

pytestmark = pytest.mark.slow

__all__ = ["target", "throw_away", "wheels"]

MODEL = "class Model:\n    def predict(self, value):\n        return value\n"
EATS = """\
class Model:
    def load(self):
        import handrail_test_cake

        self.cake = handrail_test_cake

    def predict(self):
        return self.cake.TASTE
"""


def truss(folder: Path, config: str, model: str = MODEL) -> Path:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model.py").write_text(model)
    (folder / "config.yaml").write_text(config)
    return folder


def asked(folder: Path, config: str, **given: str) -> Settings:
    return Settings(SAGEMAKER_MODEL_PATH=truss(folder, config), **given)


def unmet(settings: Settings) -> list[str]:
    found = find(settings)
    assert found is not None
    assert found.refused == ()
    return [f"{line.where}: {line.text}" for line in found.unmet]


def test_each_line_of_the_list_is_named_with_its_own(tmp_path: Path) -> None:
    """Comments in YAML and in the text; what is there already; an item of several lines; options; whose line it is."""
    config = """\
model_name: m
requirements:
  - no-such-a==1  # for the model
  - "no-such-b # why"
  - pytest
  # - no-such-c

  - |
    no-such-d
    --extra-index-url https://example.org/simple
"""
    expected = ["3: no-such-a==1", "4: no-such-b", "8: no-such-d", "8: --extra-index-url https://example.org/simple"]
    assert unmet(asked(tmp_path, config)) == [f"{tmp_path}/config.yaml:{line}" for line in expected]


def test_all_that_is_required_is_installed_together(tmp_path: Path) -> None:
    """`requirements.txt` beside the config, the named file, the list: one pip. Truss refuses a file beside a list."""
    (tmp_path / "requirements.txt").write_text("no-such-a\n")
    (tmp_path / "more.txt").write_text("\nno-such-b\n")
    settings = asked(tmp_path, "requirements_file: ./more.txt\nrequirements: [no-such-c, pytest]\n")
    assert unmet(settings) == [
        f"{tmp_path}/requirements.txt:1: no-such-a",
        f"{tmp_path}/more.txt:2: no-such-b",
        f"{tmp_path}/config.yaml:2: no-such-c",
    ]
    planned = plan(settings)
    assert planned.arguments == ["-r", str(tmp_path / "requirements.txt"), "-r", str(tmp_path / "more.txt")]
    assert [line.text for line in planned.listed] == ["no-such-c", "pytest"]


@pytest.mark.parametrize("name", ["requirements.txt", "./requirements.txt", "model/../requirements.txt"])
def test_a_file_that_is_named_twice_is_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-a\n")
    planned = plan(asked(tmp_path, f"requirements_file: {name}\n"))
    assert planned.arguments == ["-r", str(tmp_path / "requirements.txt")]


@pytest.mark.parametrize("config", ["requirements: []\n", "requirements_file: ''\nrequirements:\n", "model_name: m\n"])
def test_what_truss_writes_out_for_nothing_is_nothing(tmp_path: Path, config: str) -> None:
    settings = asked(tmp_path, config)
    assert (find(settings), plan(settings).is_needed) == (None, False)


def test_what_is_there_needs_no_pip(tmp_path: Path) -> None:
    assert not plan(asked(tmp_path, "requirements: [pytest, FastAPI>=0.1]\n")).is_needed


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("requirements: [fastapi<0.1]\n", "config.yaml:1 asks for fastapi<0.1, and the server runs on fastapi"),
        ("requirements: humanize\n", "config.yaml:1 requirements is 'humanize': write a list"),
        ("requirements:\n- pytest\n- torch: 2\n", "config.yaml:3 requirements has {'torch': 2}: write text"),
        ("requirements_file: [a]\n", "config.yaml:1 requirements_file is ['a']: write the file's path"),
        ("requirements_file: no.txt\n", "config.yaml:1 requirements_file is 'no.txt', and there is no file "),
        ("requirements_file: latin.txt\n", "latin.txt cannot be read: 'utf-8' codec"),
        ("requirements_file: pyproject.toml\n", "pyproject.toml cannot be read: [Errno 2]"),
        ("requirements_file: bad/pyproject.toml\n", "bad/pyproject.toml cannot be read: Expected"),
        ("requirements_file: odd/pyproject.toml\n", "odd/pyproject.toml cannot be read: 'list' object"),
    ],
)
def test_what_cannot_be_is_3_here_and_in_check(tmp_path: Path, config: str, said: str) -> None:
    """With the line, what it says, and what to write."""
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    for name, text in {"bad": "not toml", "odd": "project = [1]\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(text)
    with pytest.raises(RequirementsError) as refused:
        plan(asked(tmp_path, config))
    assert said in str(refused.value)
    report = check_program(model_path=tmp_path, engine="echo")
    assert (report.exit_code, said in report.to_text()) == (3, True)


def test_a_config_that_cannot_be_read_is_said_where_the_script_loads(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-a\n")
    assert unmet(asked(tmp_path, "a: 1\na: 2\n")) == [f"{tmp_path}/requirements.txt:1: no-such-a"]


def test_a_projects_file_is_read_as_truss_reads_it(tmp_path: Path) -> None:
    """`project.dependencies`; of a lock the project beside it, which is said."""
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = [\n  "no-such-a>1",\n  "pyt\\u0065st",\n]\n')
    expected = [f"{tmp_path}/pyproject.toml:3: no-such-a>1"]
    assert unmet(asked(tmp_path, "requirements_file: pyproject.toml\n")) == expected
    settings = asked(tmp_path, "requirements_file: uv.lock\n")
    assert unmet(settings) == expected
    assert "in versions that pip chooses" in plan(settings).warnings[0]
    assert "uv export --format requirements-txt" in " ".join(check_program(model_path=tmp_path, engine="echo").warnings)


def test_a_lock_warns_also_where_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('project.dependencies = ["pyt\\u0065st"]\n')
    planned = plan(asked(tmp_path, "requirements_file: uv.lock\n"))
    assert (planned.is_needed, len(planned.warnings)) == (False, 1)


async def test_a_start_says_what_a_lock_loses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    truss(tmp_path, "requirements_file: uv.lock\n", MODEL)
    (tmp_path / "pyproject.toml").write_text('project.dependencies = ["pytest"]\n')
    async with running(tmp_path, HANDRAIL_ENGINE="echo") as run_:
        await run_.answers(200)
    assert "in versions that pip chooses" in caplog.text


@pytest.mark.parametrize("name", ["HANDRAIL_INSTALL_REQUIREMENTS", "STANDARD_AUTO_INSTALL_REQ"])
def test_they_are_switched_off_with_the_others(tmp_path: Path, name: str) -> None:
    settings = asked(tmp_path, "requirements: [no-such-a, 'fastapi<0.1']\n", **{name: "false"})
    assert (find(settings), plan(settings).is_needed) == (None, False)


def test_check_exits_as_serving_may(tmp_path: Path) -> None:
    """An import that pip would mend is no reason to say no; the JSON has the line."""
    truss(tmp_path, "requirements:\n- a-package-nobody-has==1\n", f"import a_package_nobody_has\n{MODEL}")
    report = check_program(model_path=tmp_path, engine="echo")
    assert (report.exit_code, len(report.undecided)) == (0, 2)
    assert f"{tmp_path}/config.yaml: pip will install config.yaml:2: a-package-nobody-has==1" in report.to_text()
    data = json.loads(report.to_json())["requirements"]
    assert (data["path"], data["paths"]) == (f"{tmp_path}/config.yaml", [f"{tmp_path}/config.yaml"])
    assert (data["unmet"], data["unmet_where"]) == (["a-package-nobody-has==1"], [f"{tmp_path}/config.yaml:2"])


@pytest.mark.usefixtures("target")
def test_what_pip_cannot_do_names_the_line(wheels: Path) -> None:
    """Also where pip names a line of the file that it was given for them."""
    with pytest.raises(RequirementsError, match=r"^pip install --find-links \S+ config.yaml:2: handrail-test-cake>2 f"):
        install(plan(asked(wheels.parent, f"requirements:\n- {NAME}>2\n")))
    with pytest.raises(RequirementsError, match=r"Invalid requirement.*\(from \S+config\.yaml:3\)"):
        install(plan(asked(wheels.parent, f"requirements:\n- {NAME}\n- no such thing\n")))


def test_they_are_installed_before_the_model_is_loaded(
    wheels: Path, throw_away: Callable[[], dict[str, str]], launch: Launch
) -> None:
    """What `load` imports is there, and the log has the line that asked for it."""
    truss(wheels.parent, f"requirements:\n  - {NAME}\n", EATS)
    served = launch(wheels.parent, **throw_away()).ready()
    assert served.http.post("/invocations", json={}).json() == "sweet"
    assert f"config.yaml:2: {NAME}" in served.stderr


def test_a_start_and_check_say_the_same_of_a_conflict(tmp_path: Path) -> None:
    truss(tmp_path, "requirements:\n  - fastapi<0.100\n")
    checked = run("check", tmp_path, "--engine", "echo")
    served = run("serve", tmp_path, "--engine", "echo", "--port", "0")
    assert (checked.returncode, served.returncode) == (3, 3)
    for said in (checked.stdout, served.stderr):
        assert f"{tmp_path}/config.yaml:2 asks for fastapi<0.100, and the server runs on fastapi" in said
