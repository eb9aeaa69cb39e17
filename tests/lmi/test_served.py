"""Scripts for LMI behind the server: what is said of them, who answers, several at a time."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from handrail.styles.lmi import stand_in
from handrail_container.cli.check import check_program
from handrail_container.server.serving import StartRefused

from tests.servers import SCRIPTS
from tests.toolkit.in_process import serving

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Puts scripts of tests/scripts/lmi into a model directory: `put("handles")`, or by path."""

    def copy(name: str | None = None, **by_path: str) -> Path:
        folder = tmp_path / "ml"
        named = {"model.py": name} if name else {}
        for path, script in (named | {key.replace("__", "/") + ".py": one for key, one in by_path.items()}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SCRIPTS / "lmi" / f"{script}.py", folder / path)
        return folder

    return copy


def check(folder: Path, **given: Any) -> Any:
    return check_program(model_path=folder, **{"engine": "echo", **given})


def test_check_names_the_dialect_and_the_functions(put: Put) -> None:
    folder = put("predicts")
    text, told = " ".join(check(folder).to_text().split()), check(folder).to_json()
    assert f"LMI DJL Serving's LMI: {folder}/model.py" in text
    assert f"input_formatter: def ask(data, **kwargs) {folder}/model.py:11" in text
    assert "answers: prediction_handler; its model is what init_handler returns" in text
    assert "an exception of the script: 500" in text
    for said in ('"prediction_handler": {', '"has_own_model": true', '"error_status": 500'):
        assert said in told


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("handles", "handle, and the engine where it returns None"),
        ("adds_a_field", "the engine, by payload (prompt, messages, inputs)"),
        ("predicts_with_the_engine", "prediction_handler; its model is Handrail's engine, in its blocking form"),
    ],
)
def test_check_says_what_answers(put: Put, name: str, answers: str) -> None:
    assert f"answers: {answers}" in " ".join(check(put(name)).to_text().split())


def test_check_says_that_lmi_s_status_is_chosen(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_INPUTS_DIALECT", "lmi")
    assert "an exception of the script: 424" in check(put("handles")).to_text()


def test_a_refused_script_exits_with_3(put: Put) -> None:
    for name in ("two_input_formatters", "too_many_parameters", "import_fails", "handle_without_the_package"):
        assert check(put(name)).exit_code == 3


def test_a_refused_script_is_not_answered_for_by_the_default(put: Put) -> None:
    assert check(put("too_many_parameters")).to_text().count("answers: the default handler") == 2


@pytest.mark.parametrize(("name", "warning"), [("init_handler_for_nobody", "makes a model that nothing is given")])
def test_what_is_unused_is_told(put: Put, name: str, warning: str) -> None:
    (said,) = check(put(name)).program.warnings
    assert warning in said


def test_a_handler_of_ours_comes_before_it(put: Put) -> None:
    folder = put("handles")
    with (folder / "model.py").open("a") as script:
        script.write("\n\ndef custom_sagemaker_invocation_handler(request): return 'mine'\n")
    report = check(folder)
    assert report.program.answering is None
    (warning,) = report.program.warnings
    assert "has `import djl_python.Input`" in warning


def test_a_script_of_the_toolkit_beside_it_is_hidden(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the environment names it."""
    folder = put("handles", code__inference="toolkit_functions")
    report = check(folder)
    assert (report.program.answering.title, report.exit_code) == ("LMI", 0)
    assert "hides SageMaker's inference toolkit" in report.program.warnings[0]
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "inference.py")
    assert check(folder).program.answering.title == "Toolkit"


def test_a_truss_comes_before_it(put: Put) -> None:
    folder = put(model__model="class_beside_handle")
    (folder / "config.yaml").write_text("model_name: mine\n")
    report = check(folder)
    assert report.program.answering.title == "Model"
    assert "hides DJL Serving's LMI" in report.program.warnings[0]


def test_the_setting_chooses_it(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_STYLE", "lmi")
    assert check(put("handles")).program.answering.title == "LMI"


def test_left_out_it_is_refused(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_PLUGINS_DISABLED", "lmi")
    (fault,) = check(put("handles")).faults
    assert "which nothing here calls. It is served as model.py, or by the name in CUSTOM_SCRIPT_FILENAME" in str(fault)


def test_an_installed_package_is_left_alone(put: Put) -> None:
    own = ModuleType("djl_python")
    sys.modules["djl_python"] = own
    stand_in.install()
    assert sys.modules["djl_python"] is own


def test_a_directory_that_does_not_name_it_gets_no_stand_in(put: Put) -> None:
    check(put(model="handle_without_the_package"))
    assert "djl_python" not in sys.modules


def test_a_file_that_cannot_be_read_names_nothing(put: Put) -> None:
    folder = put("handles")
    (folder / "broken.py").mkdir()
    assert check(folder).exit_code == 0


async def test_the_description_says_what_is_taken(put: Put) -> None:
    async with serving(put("handles")) as client:
        told = (await client.get("/openapi.json")).json()["paths"]["/invocations"]["post"]
    assert {"application/json", "text/csv", "image/*"} <= told["requestBody"]["content"].keys()
    assert list(told["responses"]["200"]["content"]) == ["*/*"]


async def test_many_requests_run_at_once(put: Put) -> None:
    """More than a pool of threads usually has."""
    async with serving(put("counts_at_once")) as client:
        bodies = [{"together": 64} for _ in range(64)]
        answers = await asyncio.gather(*(client.post("/invocations", json=body) for body in bodies))
    assert max(got.json() for got in answers) == 64


async def test_both_paths_are_the_script_s(put: Put) -> None:
    async with serving(put("both_formatters")) as client:
        assert (await client.post("/predict", json={"question": "why"})).json() == {"answer": "Q: why"}


async def test_no_engine_is_needed_where_the_script_answers(put: Put) -> None:
    for name, told in (("handles", {"said": "a"}), ("predicts", {"prediction": ["a", "ml"]})):
        async with serving(put(name), HANDRAIL_ENGINE="none") as client:
            assert (await client.post("/invocations", json={"inputs": "a"})).json() == told
    async with serving(put("handles_some"), HANDRAIL_ENGINE="none") as client:
        assert (await client.post("/invocations", json={"inputs": "a"})).status_code == 400


async def test_an_adapter_of_the_header_is_told(put: Put) -> None:
    folder = put("names_the_adapter")
    async with serving(folder) as client:
        headers = {"X-Amzn-SageMaker-Adapter-Identifier": "mine"}
        got = await client.post("/invocations", json={"inputs": "a"}, headers=headers)
    assert (got.status_code, "mine" in got.text) == (404, True), got.text


async def test_outputs_of_a_stream_are_lines(put: Put) -> None:
    """Whether or not an Output ends its own."""
    async with serving(put("yields_outputs")) as client:
        lines = await client.post("/invocations", json={})
        text = await client.post("/invocations", json={"as": "text/plain"})
    assert lines.headers["content-type"] == "application/jsonlines"
    assert lines.text == '{"n": 0}\n{"n": 1}\n{"n": 2}\n'
    assert text.text == '{"n": 0}{"n": 1}{"n": 2}\n'


async def test_options_are_properties_of_each_request(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the file come before variables, as in LMI."""
    folder = put("tells_its_properties")
    (folder / "serving.properties").write_text("option.tensor_parallel_degree=1\noption.my_own=from the file\n")
    monkeypatch.setenv("OPTION_MY_OWN", "from a variable")
    monkeypatch.setenv("OPTION_DTYPE", "fp16")
    async with serving(folder) as client:
        got = (await client.post("/invocations", json={})).json()
    assert got == {"tensor_parallel_degree": "1", "my_own": "from the file", "dtype": "fp16", "model_id": str(folder)}


async def test_a_file_that_cannot_be_read_has_no_options(put: Put) -> None:
    """It is refused with the engine's flags."""
    folder = put("tells_its_properties")
    (folder / "serving.properties").write_bytes(b"\xff")
    async with serving(folder, HANDRAIL_ENGINE="none") as client:
        assert (await client.post("/invocations", json={})).json()["dtype"] is None


async def test_sessions_are_the_server_s(put: Put) -> None:
    async with serving(put("handles"), SAGEMAKER_ENABLE_STATEFUL_SESSIONS=True) as client:
        got = await client.post("/invocations", json={"requestType": "NEW_SESSION"})
    assert (got.status_code, "x-amzn-sagemaker-new-session-id" in got.headers) == (200, True)


async def test_the_first_request_is_not_the_first_call(put: Put, caplog: pytest.LogCaptureFixture) -> None:
    """Of a plain `handle`; one that answers it is told."""
    async with serving(put("handles_the_start_too")):
        pass
    assert "answers the empty request of the start, which is not sent: return None where" in caplog.text


async def test_an_image_needs_a_library(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    for given, status in (({}, 500), ({"HANDRAIL_INPUTS_DIALECT": "lmi"}, 424)):
        async with serving(put("looks_at_the_data"), **given) as client:
            got = await client.post("/invocations", content=b"GIF", headers={"Content-Type": "image/gif"})
        assert got.status_code == status
        assert "an image needs PIL, which is not installed: add pillow to the requirements.txt" in got.text


async def test_an_exception_of_the_script_may_be_hidden_from_the_client(put: Put) -> None:
    given = {"HANDRAIL_INPUTS_DIALECT": "lmi", "HANDRAIL_ERROR_DETAIL": "none"}
    async with serving(put("raises"), **given) as client:
        got = await client.post("/invocations", json={"inputs": "a"})
    assert (got.status_code, "no question" in got.text) == (424, False)


async def test_a_load_that_is_cancelled_is_not_a_failure(put: Put) -> None:
    """The server stops while the model is loaded."""
    folder = put("waits_while_loading")

    async def start() -> None:
        async with serving(folder):
            raise AssertionError("it is not ready")

    starting = asyncio.create_task(start())
    while not (folder / "loading").exists():
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_refused_start_names_the_line(put: Put) -> None:
    with pytest.raises(StartRefused, match=r"model\.py:6 load failed: FileNotFoundError: no weights"):
        async with serving(put("init_fails")):
            pass
