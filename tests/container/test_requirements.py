"""`requirements.txt` beside the script: what is installed, what is refused, and what pip says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from handrail_container.process.exits import ExitCode, RequirementsError
from handrail_container.program import requirements
from handrail_container.program.required_lines import Line
from handrail_container.program.requirements import InstallPlan, find, held_versions, install, plan
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import run

pytestmark = pytest.mark.slow

#: On no index; the version of the wheels below.
NAME, VERSION = "handrail-test-cake", "1.5"
SCRIPT = (
    "import handrail_test_cake\n\n\ndef custom_sagemaker_invocation_handler():\n    return handrail_test_cake.TASTE\n"
)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder `requirements/` with one wheel in it."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    wheel(folder)
    return folder


def wheel(folder: Path, requires: str = "") -> None:
    """A wheel of one module, by hand: a builder would want the network."""
    stem = f"handrail_test_cake-{VERSION}"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr("handrail_test_cake.py", "TASTE = 'sweet'\n")
        about = f"{stem}.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n{needs}")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def asked(folder: Path, text: str | None = None, **given: Any) -> Settings:
    """Settings of a model directory with this `requirements.txt`."""
    if text is not None:
        (folder / "requirements.txt").write_text(text)
    return Settings(SAGEMAKER_MODEL_PATH=folder, **given)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip installs instead of into this environment."""
    folder = tmp_path / "site"
    monkeypatch.setenv("PIP_TARGET", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def test_the_server_holds_what_it_runs_on() -> None:
    """What it needs itself, and what that needs, under their canonical names; not its extras."""
    held = held_versions()
    assert {"fastapi", "starlette", "pydantic", "pydantic-core", "uvicorn", "anyio"} <= held.keys()
    assert held["fastapi"] == metadata.version("fastapi")
    assert not {"pytest", "hypothesis", "moto"} & held.keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n   # at all\n",
        "fastapi\n",
        "FastAPI>=0.1  # any\n",
        "pytest\t# a tab before the comment\n",
        "pytest>=1,\\\n  <1000\n",
        "no-such-distribution; python_version < '3'\n",
        "pydantic_settings[no-such-extra]\n",
        "coverage[toml]\n",
        "\ufeffpytest\n",
    ],
)
def test_what_is_there_needs_no_pip(tmp_path: Path, text: str) -> None:
    """So a start without a network works; names in any spelling, comments, continued lines, markers, extras."""
    found = find(asked(tmp_path, text))
    assert found is not None
    assert (found.unmet, found.refused) == ((), ())
    assert not plan(asked(tmp_path)).is_needed


@pytest.mark.parametrize(
    "line",
    [
        "no-such-distribution",
        "pytest<1",
        "no-such-distribution; python_version > '3'",
        "moto[no-such-extra,all]>=1000",
        "httpx[http2,socks,zstd,brotli,cli]",
        "pytest @ https://example.org/pytest.whl",
        "./wheels/pytest.whl",
        "-r more.txt",
        "--index-url https://example.org/simple",
        "pytest --hash=sha256:0",
    ],
)
def test_what_is_not_there_is_for_pip(tmp_path: Path, line: str) -> None:
    """And whatever only pip understands."""
    found = find(asked(tmp_path, f"fastapi\n{line}  # why\n"))
    assert found is not None
    file = tmp_path / "requirements.txt"
    assert (found.unmet, found.refused) == ((Line(line, file, 2),), ())
    assert plan(asked(tmp_path)).arguments == ["-r", str(file)]


@pytest.mark.parametrize("line", ["fastapi<0.100", "FastAPI == 0.99.1", "Pydantic[email]<2", "starlette~=0.1"])
def test_what_would_move_the_server_is_refused(tmp_path: Path, line: str) -> None:
    """With both versions, before pip is run."""
    with pytest.raises(RequirementsError) as refused:
        plan(asked(tmp_path, f"{line}\n"))
    name = line.replace("[", " ").replace("<", " ").split("=")[0].split("~")[0].split()[0]
    assert f"{tmp_path}/requirements.txt:1 asks for {name}" in str(refused.value)
    assert f"the server runs on {name} {metadata.version(name)}: widen the requirement" in str(refused.value)
    assert refused.value.exit_code is ExitCode.SCRIPT


def test_all_that_is_refused_is_told_at_once(tmp_path: Path) -> None:
    """But what a marker leaves out."""
    text = "fastapi<0.1\npydantic<1\nstarlette<0.1; python_version < '3'\n"
    with pytest.raises(RequirementsError) as refused:
        plan(asked(tmp_path, text))
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize("name", ["HANDRAIL_INSTALL_REQUIREMENTS", "STANDARD_AUTO_INSTALL_REQ"])
def test_it_can_be_switched_off(tmp_path: Path, name: str) -> None:
    """By our name or the AWS container's; STANDARD_PIP_ARGS as well."""
    given = asked(tmp_path, "no-such-distribution\nfastapi<0.1\n", **{name: "false", "STANDARD_PIP_ARGS": "-r x"})
    assert (find(given), plan(given).is_needed) == (None, False)


def test_the_pip_arguments_take_the_place_of_the_file(tmp_path: Path) -> None:
    """As a shell would split them; the file is not looked at."""
    given = asked(tmp_path, "fastapi<0.1\n", STANDARD_PIP_ARGS="-r 'my file.txt' --no-index")
    assert plan(given).arguments == ["-r", "my file.txt", "--no-index"]
    assert find(given) is None


def test_the_file_is_the_one_beside_the_script(tmp_path: Path) -> None:
    """Also below `code/`; where the named script is missing, in the model directory."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").touch()
    (tmp_path / "code" / "requirements.txt").write_text("no-such-distribution\n")
    found = find(asked(tmp_path))
    assert found is not None
    assert found.paths == (tmp_path / "code" / "requirements.txt",)
    assert find(asked(tmp_path, CUSTOM_SCRIPT_FILENAME="no_such_file.py")) is None


def test_wheels_beside_the_file_are_installed_without_a_network(wheels: Path, target: Path) -> None:
    """From the folder `requirements/`."""
    planned = plan(asked(wheels.parent, f"{NAME}>=1\n"))
    assert planned.arguments[2:] == ["--find-links", str(wheels)]
    install(planned)
    assert (target / "handrail_test_cake.py").is_file()


@pytest.mark.parametrize(
    ("requires", "line", "said"),
    [
        ("starlette<0.1", NAME, "starlette<0.1"),
        ("", f"{NAME}>2", f"No matching distribution found for {NAME}>2"),
    ],
    ids=["a conflict with the server", "no such version"],
)
@pytest.mark.usefixtures("target")
def test_what_pip_cannot_do_is_told_in_its_words(wheels: Path, requires: str, line: str, said: str) -> None:
    """The constraint that the server runs on this version of Starlette among them."""
    wheel(wheels, requires)
    with pytest.raises(RequirementsError, match=r"^pip install -r \S+ --find-links \S+ failed: ") as failed:
        install(plan(asked(wheels.parent, f"{line}\n")))
    assert said in str(failed.value)


def test_where_pip_gives_no_reason_the_end_of_its_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an address' password is not."""
    ended = subprocess.CompletedProcess([], 1, "x" * 1000, "killed")
    monkeypatch.setattr(requirements.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(RequirementsError, match=r"https://\*\*\*@host/simple failed: x{494}killed$"):
        install(InstallPlan(["--index-url", "https://user:secret@host/simple"]))


@pytest.fixture
def throw_away(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """An environment that sees this one's packages; what pip installs goes there."""

    def make() -> dict[str, str]:
        folder = tmp_path / "site"
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {"PIP_TARGET": str(folder), "PIP_NO_INDEX": "1", "PYTHONPATH": path}

    return make


def test_they_are_installed_before_the_script_is_imported(
    wheels: Path, throw_away: Callable[[], dict[str, str]], launch: Launch
) -> None:
    """A start with a wheel in the folder; the reason says so meanwhile, and the log what pip was told."""
    (wheels.parent / "model.py").write_text(SCRIPT)
    (wheels.parent / "requirements.txt").write_text(f"{NAME}\n")
    served = launch(wheels.parent, **throw_away())
    reasons = [served.first_answer().json()["error"]["message"]]
    served.ready()
    assert served.http.post("/invocations").json() == "sweet"
    assert "pip install -r" in served.stderr
    assert reasons[0] in ("the script is loading", "the script's requirements are being installed")


def test_a_start_with_what_is_refused_is_3(tmp_path: Path) -> None:
    """`check` says the same, and the script is checked beside it."""
    (tmp_path / "requirements.txt").write_text("fastapi<0.100\n")
    (tmp_path / "model.py").write_text("def custom_sagemaker_ping_handler(a, b): ...\n")
    checked = run("check", tmp_path, "--engine", "echo")
    served = run("serve", tmp_path, "--engine", "echo", "--port", "0")
    assert (checked.returncode, served.returncode) == (3, 3)
    assert "asks for fastapi<0.100, and the server runs on fastapi" in checked.stdout
    assert "asks for fastapi<0.100, and the server runs on fastapi" in served.stderr
    assert "def custom_sagemaker_ping_handler(a, b)" in checked.stdout


def test_nothing_of_this_is_left_here() -> None:
    """The tests install elsewhere."""
    shown = subprocess.run([sys.executable, "-m", "pip", "show", NAME], capture_output=True, text=True, check=False)
    assert shown.returncode == 1
