"""Scripts for the toolkit behind the server: the engine as the model, several at a time, what is said of them."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handrail_container.cli.check import check_program
from handrail_container.program import required_lines
from handrail_container.server.serving import StartRefused
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import SCRIPTS, eventually
from tests.toolkit.in_process import serving

CHAT = {"messages": [{"role": "user", "content": "one two three"}]}

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Puts scripts of tests/scripts/toolkit into a model directory: `put("doubles")`, or by path."""

    def copy(name: str | None = None, **by_path: str) -> Path:
        folder = tmp_path / "ml"
        named = {"code/inference.py": name} if name else {}
        for path, script in (named | {key.replace("__", "/") + ".py": one for key, one in by_path.items()}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SCRIPTS / "toolkit" / f"{script}.py", folder / path)
        return folder

    return copy


async def answer(folder: Path, body: Any, **given: Any) -> Any:
    async with serving(folder, **given) as client:
        got = await client.post("/invocations", json=body)
    return got.text if got.status_code != 200 or "json" not in got.headers["content-type"] else got.json()


async def test_the_model_generates_and_embeds(put: Put) -> None:
    text, dimensions, said = await answer(put("generates_and_embeds"), {"prompt": "a b c"})
    assert (text, dimensions > 1, said) == ("a b c", True, "<Handrail's engine: chat, generate, embed>")


async def test_the_model_streams(put: Put) -> None:
    assert await answer(put("streams_the_engine"), CHAT) == "one two three"


async def test_an_async_function_awaits_the_engine(put: Put) -> None:
    assert await answer(put("awaits_the_engine"), CHAT) == "one two three"


async def test_an_async_function_that_waits_without_await_is_told(put: Put) -> None:
    """It would wait for ever."""
    said = await answer(put("blocks_on_the_loop"), CHAT)
    assert "write `await model.engine.chat_completions(model_input={…})`" in said
    assert "code/inference.py:2" in said


async def test_a_script_asks_in_threads_of_its_own(put: Put) -> None:
    assert await answer(put("fans_out"), ["a", "b", "c"]) == ["a", "b", "c"]


async def test_a_body_that_the_engine_refuses_keeps_its_status(put: Put) -> None:
    async with serving(put("streams_the_engine")) as client:
        assert (await client.post("/invocations", json={"messages": 5})).status_code == 400
    async with serving(put("asks_the_engine")) as client:
        assert (await client.post("/invocations", json={"messages": 5})).status_code == 400


async def most_at_once(folder: Path, together: int, **given: Any) -> int:
    body = {"together": together, "patience": 30 if not given else 0.2}
    async with serving(folder, **given) as client:
        answers = await asyncio.gather(*(client.post("/invocations", json=body) for _ in range(together)))
    return max(got.json() for got in answers)


async def test_many_requests_run_at_once(put: Put) -> None:
    """More than a pool of threads usually has."""
    assert await most_at_once(put("counts_at_once"), 64) == 64


async def test_the_workers_bound_them(put: Put) -> None:
    assert await most_at_once(put("counts_at_once"), 6, SAGEMAKER_MODEL_SERVER_WORKERS=2) <= 2


async def test_status_and_headers_of_a_stream(put: Put) -> None:
    async with serving(put("sets_and_streams")) as client:
        got = await client.post("/invocations", json=[1])
    assert (got.status_code, got.text) == (202, "a b")
    assert (got.headers["x-words"], got.headers["content-type"]) == ("2", "text/x-words")


async def test_an_async_generator_is_a_stream(put: Put) -> None:
    assert (
        await answer(put("predict_yields_async"), [1]) == 'data: {"word":"a"}\n\ndata: {"word":"b"}\n\ndata: [DONE]\n\n'
    )


async def test_an_error_of_the_toolkit_without_a_status_is_500(put: Put) -> None:
    async with serving(put("raises_no_status")) as client:
        got = await client.post("/invocations", json=[1])
    assert (got.status_code, "predict_fn raised BaseInferenceToolkitError" in got.text) == (500, True)


async def test_a_function_of_c_is_called(put: Put) -> None:
    assert await answer(put("of_c"), [1, 2]) == [2, 4]


async def test_the_description_says_what_is_taken(put: Put) -> None:
    """What is answered may be anything."""
    contents = []
    for name in ("doubles", "three_steps"):
        async with serving(put(name)) as client:
            told = (await client.get("/openapi.json")).json()["paths"]["/invocations"]["post"]
        contents.append((len(told["requestBody"]["content"]), list(told["responses"]["200"]["content"])))
    assert contents == [(5, ["*/*"]), (1, ["*/*"])]


async def test_a_status_without_a_body_ends_a_stream(put: Put) -> None:
    """Before it has begun."""
    async with serving(put("streams_nothing")) as client:
        got = await client.post("/invocations", json=[1])
    assert (got.status_code, got.content) == (204, b"")


def check(folder: Path, **given: Any) -> Any:
    return check_program(model_path=folder, **{"engine": "echo", **given})


def test_check_says_whose_the_engine_is_that_model_fn_builds(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    text = "def model_fn(model_dir):\n    from vllm import LLM\n    return LLM(model_dir)\n"
    text += "def predict_fn(data, model):\n    return data\n"
    (tmp_path / "code" / "inference.py").write_text(text)
    said = "model: what model_fn returns; a vLLM engine that the script builds is this server's"
    assert said in " ".join(check(tmp_path).to_text().split())


def test_check_names_the_dialect_and_the_functions(put: Put) -> None:
    folder = put("three_steps")
    text = " ".join(check(folder).to_text().split())
    assert f"Toolkit SageMaker's inference toolkit: {folder}/code/inference.py" in text
    assert f"def predict_fn(data, model) {folder}/code/inference.py:12" in text
    assert "The engine runs beside it: HANDRAIL_ENGINE=none" in text
    assert "SAGEMAKER_MODEL_SERVER_WORKERS bounds them" in text
    assert '"has_own_model": true' in check(folder).to_json()
    assert "runs beside it" not in check(folder, engine="none").to_text()


def test_check_says_how_many_run_at_a_time(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_WORKERS", "4")
    report = check(put("asks_the_engine"))
    assert "requests at a time: 4 (SAGEMAKER_MODEL_SERVER_WORKERS)" in report.to_text()
    assert "in its blocking form" in report.to_text()
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_WORKERS", "0")
    assert check(put("asks_the_engine")).exit_code == 2


def test_variables_that_are_not_read_are_told(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_TIMEOUT", "90")
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "false")
    (warning,) = check(put("doubles")).program.warnings
    assert warning == "SAGEMAKER_MODEL_SERVER_TIMEOUT=90 is not read: set HANDRAIL_INVOCATION_TIMEOUT_S, in seconds"


def test_what_the_context_lacks_is_told(put: Put) -> None:
    folder = put("uses_metrics")
    (warning,) = check(folder).program.warnings
    assert warning.startswith(f"{folder}/code/inference.py:6 context.metrics is not served")


def test_a_name_that_is_nearly_one_is_told(put: Put) -> None:
    (warning,) = check(put("misnamed")).program.warnings
    assert "inputs_fn (" in warning
    assert "is not called: did you mean input_fn?" in warning


def test_an_address_is_not_fetched(tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", "s3://bucket/code.tar.gz")
    (warning,) = check(tmp_path).program.warnings
    assert "SAGEMAKER_SUBMIT_DIRECTORY=s3://bucket/code.tar.gz is not fetched" in warning
    assert check(put("doubles")).program.warnings == ()


def test_the_folder_may_be_elsewhere(tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put("doubles")
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", str(folder / "code"))
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty").program.script == folder / "code" / "inference.py"


@pytest.mark.parametrize("program", ["serve", "serve.py"])
def test_a_program_that_is_found_is_not_missing(
    tmp_path: Path, put: Put, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """In code/, and in a folder of its own."""
    folder = put(code__serve="doubles")
    monkeypatch.setenv("SAGEMAKER_PROGRAM", program)
    assert check(folder).program.warnings == ()
    (tmp_path / "empty").mkdir()
    assert "there is no such file in code/" in check(tmp_path / "empty").program.warnings[0]
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", str(folder / "code"))
    assert check(tmp_path / "empty").program.warnings == ()


def test_its_requirements_are_installed(put: Put) -> None:
    folder = put("doubles")
    for place in ("", "code"):
        (folder / place / "requirements.txt").write_text("humanize\n")
    found = required_lines.required(Settings(**{"SAGEMAKER_MODEL_PATH": folder}))
    assert found.files == (folder / "requirements.txt", folder / "code" / "requirements.txt")


def test_a_script_without_a_model_needs_an_engine(put: Put) -> None:
    (fault,) = check(put("asks_the_engine"), engine="none").faults
    assert "has no model_fn, and without an engine" in str(fault)


async def test_a_module_beside_it_that_handles_nothing_is_imported(put: Put) -> None:
    """`model.py` is a common name for what the script itself imports; decorators count in the script alone."""
    folder = put("marks_beside", model="net")
    assert await answer(folder, [1]) == "answered"
    (warning,) = check(folder).program.warnings
    assert f"{folder}/code/inference.py:5 @on_startup has no effect: {folder}/model.py is the script" in warning


def test_a_script_that_handles_wins(put: Put) -> None:
    folder = put("doubles")
    (folder / "model.py").write_text("def custom_sagemaker_invocation_handler(request): return 'mine'\n")
    report = check(folder)
    assert report.exit_code == 0
    (warning,) = report.program.warnings
    assert f"{folder}/code/inference.py:1 has `model_fn`, `predict_fn`" in warning
    assert "take the other handler away" in warning


async def test_each_slot_is_answered_by_itself(put: Put) -> None:
    """The script's function of /ping comes from a decorator, that of /invocations from the toolkit."""
    folder = put("doubles")
    with (folder / "code" / "inference.py").open("a") as script:
        script.write(
            "\n\nfrom handrail import custom_ping_handler\n\n\n@custom_ping_handler\ndef ping(): return False\n"
        )
    async with serving(folder) as client:
        assert (await client.get("/ping")).status_code == 503
        assert (await client.post("/invocations", json=[1])).json() == [2]


def test_a_class_model_in_a_script_of_its_own_wins(put: Put) -> None:
    folder = put("doubles")
    (folder / "model.py").write_text("class Model:\n    def predict(self, x): ...\n")
    report = check(folder)
    assert report.program.answering.title == "Model"
    assert f"hides SageMaker's inference toolkit, {folder}/code/inference.py" in report.program.warnings[0]


def test_a_truss_comes_before_it(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the environment names the script."""
    folder = put("doubles", model__model="net")
    (folder / "model" / "model.py").write_text("class Model:\n    def predict(self, x): ...\n")
    (folder / "config.yaml").write_text("model_name: mine\n")
    report = check(folder)
    assert (report.program.answering.title, report.program.script) == ("Model", folder / "model" / "model.py")
    assert "hides SageMaker's inference toolkit" in report.program.warnings[0]
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "inference.py")
    report = check(folder)
    assert report.program.answering.title == "Toolkit"
    assert "hides class Model at" in report.program.warnings[0]


def test_a_class_model_that_model_fn_makes_does_not(put: Put) -> None:
    folder = put("doubles")
    with (folder / "code" / "inference.py").open("a") as script:
        script.write("\n\nclass Model:\n    def predict(self, x): ...\n")
    assert check(folder).program.answering.title == "Toolkit"


async def test_functions_that_are_not_there_after_all(put: Put) -> None:
    """As far as can be seen without running it they are."""
    report = check(put("defines_nothing_after_all", model="net"))
    assert report.program.answering is None
    assert report.exit_code == 0


def test_a_script_beside_a_module_that_fails_to_import(put: Put) -> None:
    folder = put("import_fails", model="net")
    (fault,) = check(folder).program.faults
    assert "No module named 'no_such_package'" in str(fault)
    assert "nothing here calls" not in str(check(put("import_fails")).program.faults[0])


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


async def test_a_load_that_fails_names_the_function(put: Put) -> None:
    with pytest.raises(StartRefused, match=r"code/inference.py:2 model_fn failed: FileNotFoundError: no weights"):
        await answer(put("load_fails"), [1])


def test_a_client_that_leaves_ends_what_its_thread_waits_for(launch: Launch, put: Put, tmp_path: Path) -> None:
    """And `/invocations` is answered on a real server as in here."""
    served = launch(put("notes_how_it_ends"), HANDRAIL_ECHO_ITL_MS="20000").ready()
    note = tmp_path / "note"
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        body = json.dumps({"note": str(note)})
        head = f"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        client.sendall(f"{head}\r\n\r\n{body}".encode())
        eventually(lambda: note.exists() and note.read_text() == "asking", "the script to ask the engine")
    eventually(lambda: note.read_text() == "ClientDisconnect", "the script's call to end")
    assert "/invocations is answered by predict_fn" in served.stderr
