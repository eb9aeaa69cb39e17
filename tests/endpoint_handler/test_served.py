"""Handlers behind the server: one at a time, the engine, and what is said of them."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail.styles.endpoint_handler import flow
from handrail_container.cli.check import check_program
from handrail_container.server.serving import StartRefused

from tests.conftest import Launch
from tests.servers import PATIENCE_S, SCRIPTS
from tests.toolkit.in_process import serving

SETTING = "HANDRAIL_ENDPOINT_HANDLER_CONCURRENCY"
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Puts scripts of tests/scripts/endpoint_handler into a model directory: `put("echoes")`, or by path."""

    def copy(name: str | None = None, **by_path: str) -> Path:
        folder = tmp_path / "ml"
        named = {"handler.py": name} if name else {}
        for path, script in (named | {key.replace("__", "/") + ".py": one for key, one in by_path.items()}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SCRIPTS / "endpoint_handler" / f"{script}.py", folder / path)
        return folder

    return copy


async def answer(folder: Path, inputs: Any, **given: Any) -> Any:
    async with serving(folder, **given) as client:
        got = await client.post("/", json={"inputs": inputs})
    return got.json() if "json" in got.headers["content-type"] else got.text


async def most_at_once(folder: Path, together: int, **given: Any) -> int:
    body = {"inputs": {"together": together, "patience": 30 if len(given) else 0.05}}
    async with serving(folder, **given) as client:
        answers = await asyncio.gather(*(client.post("/", json=body) for _ in range(together)))
    return max(got.json() for got in answers)


async def test_one_request_at_a_time(put: Put) -> None:
    assert await most_at_once(put("counts_at_once"), 4) == 1


async def test_as_many_as_the_setting_says(put: Put) -> None:
    """More than a pool of threads usually has."""
    assert await most_at_once(put("counts_at_once"), 64, **{SETTING: 64}) == 64


def waiting_handler() -> Any:
    return importlib.import_module("handler")


async def begun() -> None:
    while not waiting_handler().BEGUN.is_set():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("name", "said"), [("waits_to_be_told", '"{}"'), ("waits_in_a_stream", "free {}")])
async def test_the_next_waits_until_a_call_has_ended(put: Put, name: str, said: str) -> None:
    """Also if its request has: a thread cannot be stopped. Meanwhile the others come to their own time's end."""
    async with serving(put(name), HANDRAIL_INVOCATION_TIMEOUT_S=30) as client:
        first = asyncio.create_task(client.post("/", json={"inputs": "wait"}))
        await begun()
        second = asyncio.create_task(client.post("/", json={"inputs": "second"}))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        assert not second.done()
        waiting_handler().END.set()
        assert (await second).text == said.format("second")
        assert (await client.post("/", json={"inputs": "third"})).text == said.format("third")


async def test_a_body_is_decoded_within_the_turn(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves meanwhile frees no turn: a large image is decoded on, and the next one beside it."""
    begun, end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(body: bytes) -> dict[str, Any]:
        loop.call_soon_threadsafe(begun.set)
        assert end.wait(PATIENCE_S)
        return {"inputs": 1}

    usual = flow.reader
    monkeypatch.setattr(flow, "reader", lambda kind, task: slow if kind == "image/png" else usual(kind, task))
    async with serving(put("echoes")) as client:
        first = asyncio.create_task(client.post("/", content=b"PNG", headers={"content-type": "image/png"}))
        await begun.wait()
        first.cancel()
        await asyncio.wait({first})
        second = asyncio.create_task(client.post("/", json={"inputs": "second"}))
        done, _ = await asyncio.wait({second}, timeout=0.3)
        end.set()
        assert not done
        assert (await second).json() == {"inputs": "second"}


async def test_ping_is_503_where_no_call_ends(put: Put) -> None:
    async with serving(put("waits_to_be_told"), HANDRAIL_STALL_S=0.05) as client:
        assert (await client.get("/ping")).status_code == 200
        first = asyncio.create_task(client.post("/", json={"inputs": "wait"}))
        await begun()
        first.cancel()
        while (got := await client.get("/ping")).status_code == 200:
            await asyncio.sleep(0.02)
        assert "calls of the handler do not end" in got.text
        waiting_handler().END.set()
        while (await client.get("/ping")).status_code != 200:
            await asyncio.sleep(0.02)


async def test_it_asks_the_engine_and_streams(put: Put) -> None:
    assert await answer(put("asks_and_streams"), "one two three") == "one two three"
    assert await answer(put("sent_in_pieces"), "a b") == "ab"


async def test_what_it_returns_may_be_awaited(put: Put) -> None:
    assert await answer(put("returns_an_awaitable"), "a") == "A"


async def test_a_static_call(put: Put) -> None:
    assert await answer(put("static_call"), "a") == "a"


async def test_an_engine_is_not_needed(put: Put) -> None:
    """A parameter with a default keeps it."""
    assert await answer(put("echoes"), "a", HANDRAIL_ENGINE="none") == {"inputs": "a"}
    async with serving(put("asks_the_engine"), HANDRAIL_ENGINE="none") as client:
        got = await client.post("/", json={"inputs": "a"})
    assert "'NoneType' object has no attribute 'chat'" in got.text


def test_a_parameter_without_a_default_needs_it(put: Put) -> None:
    (fault,) = check(put("awaits_the_engine"), engine="none").faults
    assert "there is no engine to give it (HANDRAIL_ENGINE=none): write `engine=None`" in str(fault)


async def test_pillow_that_is_not_installed_is_named(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    async with serving(put("echoes")) as client:
        got = await client.post("/", content=b"PNG", headers={"content-type": "image/png"})
    assert (got.status_code, "needs Pillow, which is not installed" in got.text) == (500, True)


async def test_the_description_says_what_is_taken(put: Put) -> None:
    async with serving(put("echoes")) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    told = paths["/invocations"]["post"]
    assert list(told["requestBody"]["content"]) == ["application/json", "image/*", "audio/*"]
    assert list(told["responses"]["200"]["content"]) == ["*/*"]
    assert paths["/"].keys() == {"get", "head", "post"}


def check(folder: Path, **given: Any) -> Any:
    return check_program(model_path=folder, **{"engine": "echo", **given})


def test_check_says_whose_the_engine_is_that_a_handler_builds(tmp_path: Path) -> None:
    text = "class EndpointHandler:\n    def __init__(self, path=''):\n        from vllm import LLM\n"
    text += "        self.llm = LLM(path)\n    def __call__(self, data):\n        return data\n"
    (tmp_path / "handler.py").write_text(text)
    assert "engine: a vLLM engine that the script builds is this server's" in check(tmp_path).to_text()


def test_check_names_the_class_and_its_methods(put: Put) -> None:
    folder = put("echoes")
    report = check(folder)
    text = " ".join(report.to_text().split())
    assert f"Handler Hugging Face's Inference Endpoints: class EndpointHandler, {folder}/handler.py" in text
    assert f"def __call__(self, data) {folder}/handler.py:5" in text
    assert "it runs beside what __init__ loads: HANDRAIL_ENGINE=none, if nothing asks it" in text
    assert f"requests at a time: 1 (as there; {SETTING} raises it, if __call__ may run in several threads" in text
    data = json.loads(report.to_json())["handler"]
    assert (data["class"], data["takes_engine"], data["concurrency"]) == ("EndpointHandler", False, 1)
    assert list(data["functions"]) == ["__init__", "__call__"]


@pytest.mark.parametrize(
    ("name", "engine", "says"),
    [
        ("echoes", "none", "engine: none (HANDRAIL_ENGINE); what __init__ loads answers"),
        ("asks_the_engine", "echo", "engine: __init__ is given it, in its blocking form"),
        ("awaits_the_engine", "echo", "engine: __init__ is given it\n"),
    ],
)
def test_check_says_whether_it_gets_the_engine(put: Put, name: str, engine: str, says: str) -> None:
    assert says in check(put(name), engine=engine).to_text()


def test_check_says_how_many_run_at_a_time(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "8")
    assert f"requests at a time: 8 ({SETTING})" in check(put("echoes")).to_text()
    monkeypatch.setenv(SETTING, "0")
    assert check(put("echoes")).exit_code == 2


def test_a_file_that_is_named_and_not_there_is_a_wrong_setting(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DEFAULT_PIPELINE_NAME", "serve.py")
    assert check(put("echoes")).exit_code == 2


def test_a_file_that_is_named_has_the_class(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(serve="net", model="net")
    monkeypatch.setenv("HF_DEFAULT_PIPELINE_NAME", "serve.py")
    report = check(folder)
    assert (report.exit_code, "has no class EndpointHandler or PreTrainedPipeline" in str(report.faults[0])) == (
        3,
        True,
    )


def test_a_file_that_is_elsewhere(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put("echoes")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HF_DEFAULT_PIPELINE_NAME", str(folder / "handler.py"))
    assert check(tmp_path / "empty").program.script == folder / "handler.py"


def test_a_class_of_another_name_is_told(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_MODULE_NAME", "handler.Gone")
    folder = put("both_names")
    (warning,) = check(folder).program.warnings
    assert warning == (
        f"HF_MODULE_NAME is 'handler.Gone', and {folder}/handler.py has no class Gone: EndpointHandler is served"
    )


def test_variables_that_are_not_read_are_told(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_ACCEPT", "image/png")
    monkeypatch.setenv("UNLOAD_IDLE", "false")
    (warning,) = check(put("echoes")).program.warnings
    assert warning.startswith("DEFAULT_ACCEPT=image/png is not read: ")


def test_a_script_that_handles_wins(put: Put) -> None:
    folder = put("fails_to_import")
    (folder / "model.py").write_text("def custom_sagemaker_invocation_handler(request): return 'mine'\n")
    report = check(folder)
    assert report.exit_code == 0
    (warning,) = report.program.warnings
    assert f"{folder}/handler.py:4 has `class EndpointHandler`" in warning
    assert "take the other handler away" in warning


def test_the_class_may_be_in_model_py(put: Put) -> None:
    assert check(put(model="echoes")).program.answering.title == "Handler"


async def test_a_module_beside_it_that_handles_nothing_is_imported(put: Put) -> None:
    """Decorators count in the script alone."""
    folder = put("imports_its_module", net="net", model="net")
    with (folder / "handler.py").open("a") as script:
        script.write("\n\nfrom handrail import on_startup\n\n\n@on_startup\ndef begin(): ...\n")
    assert await answer(folder, "a") == "A"
    (warning,) = check(folder).program.warnings
    assert f"{folder}/handler.py:15 @on_startup has no effect: {folder}/model.py is the script" in warning


def test_a_module_beside_it_and_an_import_that_fails(put: Put) -> None:
    (fault,) = check(put("fails_to_import", model="net")).program.faults
    assert "No module named 'no_such_package'" in str(fault)
    (fault,) = check(put("fails_to_import")).program.faults
    assert "nothing here calls" not in str(fault)


def test_a_class_that_is_not_there_after_all(put: Put) -> None:
    """As far as can be seen without running it it is."""
    folder = put(model="net")
    (folder / "handler.py").write_text("if not __name__:\n    class EndpointHandler: ...\n")
    assert check(folder).program.answering is None


def test_a_script_for_sagemaker_s_toolkit_comes_before_it(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the environment names the handler."""
    folder = put("echoes")
    (folder / "code").mkdir()
    shutil.copy(SCRIPTS / "toolkit" / "doubles.py", folder / "code" / "inference.py")
    report = check(folder)
    assert (report.program.answering.title, report.program.script) == ("Toolkit", folder / "code" / "inference.py")
    assert f"hides Hugging Face's Inference Endpoints, {folder}/handler.py" in report.program.warnings[0]
    monkeypatch.setenv("HF_DEFAULT_PIPELINE_NAME", "handler.py")
    report = check(folder)
    assert (report.program.answering.title, report.program.script) == ("Handler", folder / "handler.py")


def test_a_truss_comes_before_it(put: Put) -> None:
    folder = put("echoes", model__model="net")
    (folder / "model" / "model.py").write_text("class Model:\n    def predict(self, x): ...\n")
    (folder / "config.yaml").write_text("model_name: mine\n")
    report = check(folder)
    assert (report.program.answering.title, report.program.script) == ("Model", folder / "model" / "model.py")


async def test_a_load_that_is_cancelled_is_not_a_failure(put: Put) -> None:
    """The server stops while the handler is loaded."""
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


async def test_a_load_that_fails_names_the_line(put: Put) -> None:
    with pytest.raises(StartRefused, match=r"handler.py:3 EndpointHandler.__init__ failed: FileNotFoundError"):
        await answer(put("fails_to_load"), [1])


def test_a_real_server(launch: Launch, put: Put) -> None:
    served = launch(put("asks_the_engine")).ready()
    got = httpx.post(f"{served.url}/?max_tokens=1", json={"inputs": "a b"})
    assert got.json() == [{"generated_text": "a"}]
    assert "/invocations is answered by EndpointHandler.__call__" in served.stderr
