"""When the engine starts that a script builds: at its import, in a hook, by its text; and what stops the start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread
from handrail_container.gate.lifecycle import State
from handrail_container.process.exits import SettingsError
from handrail_container.server.serving import StartRefused

from tests.container.adoption.starting import Starting

START = """
import os
from handrail import custom_invocation_handler, on_startup, on_shutdown
engine = None
seen = []
"""
HANDLER = """
@custom_invocation_handler
def answer(request_body: dict):
    from handrail.core.presence import asker
    seen.append(asker.get())
    return engine.generate(request_body["prompt"])
"""
AT_IMPORT = "from vllm import LLM\nengine = LLM('org/model', max_model_len=7)\n"
IN_HOOK = """
@on_startup
def build():
    global engine
    from vllm import LLM
    engine = LLM({model})
"""


@pytest.fixture
def starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Starting]]:
    made: list[Starting] = []

    def make(text: str, **given: str) -> Starting:
        made.append(Starting(tmp_path, text, monkeypatch, **given))
        return made[-1]

    yield make
    for each in made:
        each.clean()


async def ask(started: Starting, body: Any) -> httpx.Response:
    transport = httpx.ASGITransport(started.gate)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        return await client.post("/invocations", json=body)


async def test_at_import(starting: Callable[..., Starting], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    started = starting(START + AT_IMPORT + HANDLER)
    await started.begin()
    assert started.backend.asked == {"SM_VLLM_MODEL": "org/model", "SM_VLLM_MAX_MODEL_LEN": "7"}
    assert (await ask(started, {"prompt": "hi"})).json() == "the engine says hi"
    assert "model.py:7 LLM is the server's engine; max_model_len: mapped: SM_VLLM_MAX_MODEL_LEN=7" in caplog.text
    assert to_thread.current_default_thread_limiter().total_tokens >= 256
    import model  # type: ignore[import-not-found]  # the script

    assert model.seen[0] is not None
    await started.serving.end()


async def test_it_is_used_while_it_is_imported(starting: Callable[..., Starting]) -> None:
    """The import waits for the engine, which starts beside it."""
    started = starting(START + AT_IMPORT + "first = engine.generate('warm')\n" + HANDLER)
    await started.begin()
    import model

    assert model.first == "the engine says warm"
    await started.serving.end()


async def test_in_a_hook_by_what_the_text_says(starting: Callable[..., Starting]) -> None:
    started = starting(START + IN_HOOK.format(model="'org/model'") + HANDLER)
    await started.begin()
    assert started.backend.asked == {"SM_VLLM_MODEL": "org/model"}
    assert (await ask(started, {"prompt": "hi"})).json() == "the engine says hi"
    await started.serving.end()


async def test_in_a_hook_that_runs_first(starting: Callable[..., Starting]) -> None:
    """The text does not say the model: the hook does."""
    started = starting(START + IN_HOOK.format(model="'/'.join(['org', 'model'])") + HANDLER)
    await started.begin()
    assert started.backend.asked == {"SM_VLLM_MODEL": "org/model"}
    assert (await ask(started, {"prompt": "hi"})).json() == "the engine says hi"
    await started.serving.end()


async def test_parts_that_have_started_end_where_the_engine_does_not(
    starting: Callable[..., Starting], capsys: pytest.CaptureFixture[str]
) -> None:
    ends = "\n@on_shutdown\ndef end():\n    print('it ends')\n"
    started = starting(START + IN_HOOK.format(model="'/'.join(['org', 'model'])") + ends + HANDLER)
    program = await started.startup.load()

    async def fail(app: Any) -> None:
        raise SettingsError("no such model")

    started.backend.start = fail  # type: ignore[method-assign]
    with pytest.raises(SettingsError) as failed:
        await started.startup.start_engine(program)
    assert failed.value.problems == (
        "no such model",
        "model.py:11 builds this engine; HANDRAIL_ADOPT_DROP leaves out arguments of it",
    )
    assert capsys.readouterr().out == "it ends\n"
    assert started.startup.failed(failed.value) == 2
    assert started.startup.lifecycle.state is State.FAILED


async def test_a_hook_that_fails_first_ends_the_start(starting: Callable[..., Starting]) -> None:
    hook = IN_HOOK.format(model="'/'.join(['org', 'model'])") + "    raise LookupError('of the hook')\n"
    started = starting(START + hook + HANDLER)
    program = await started.startup.load()
    with pytest.raises(StartRefused, match="LookupError: of the hook"):
        await started.startup.start_engine(program)


async def test_nothing_says_the_model(starting: Callable[..., Starting]) -> None:
    """It is built by a request, from what the request says."""
    text = START + HANDLER + "\ndef later(name):\n    from vllm import LLM\n    return LLM(name)\n"
    started = starting(text)
    started.backend.lacks_model = True
    program = await started.startup.load()
    said = (
        r"model.py builds no engine before it serves, and its first construction \(.*model.py:15\) cannot be read: set"
    )
    with pytest.raises(SettingsError, match=said):
        await started.startup.start_engine(program)


async def test_the_environment_may_say_the_model(starting: Callable[..., Starting]) -> None:
    """The engine starts with it, before anything is built."""
    started = starting(START + HANDLER + "\ndef later(name):\n    from vllm import LLM\n    return LLM(name)\n")
    await started.begin()
    assert (started.backend.asked, started.backend.prepared) == ({}, 1)
    await started.serving.end()


async def test_a_refusal_that_the_script_catches_is_one(starting: Callable[..., Starting]) -> None:
    caught = AT_IMPORT + "try:\n    other = LLM('org/other')\nexcept Exception:\n    other = None\n"
    started = starting(START + caught + HANDLER)
    with pytest.raises(StartRefused, match=r'model.py:9 asks for "org/other"'):
        await started.startup.load()


async def test_another_server_of_vllms_is_refused(starting: Callable[..., Starting]) -> None:
    """Which the script would start as a child."""
    child = "def serve():\n    import subprocess\n    subprocess.Popen(['vllm', 'serve', 'org/model'])\n"
    started = starting(START + child + HANDLER)
    program = await started.startup.load()
    with pytest.raises(StartRefused, match=r"model.py:\d+ starts another vLLM: the routes under /v1 are served here"):
        await started.startup.start_engine(program)


async def test_a_reload_builds_anew(starting: Callable[..., Starting], caplog: pytest.LogCaptureFixture) -> None:
    started = starting(START + AT_IMPORT + HANDLER)
    await started.begin()
    script = started.folder / "model.py"
    script.write_text(START + AT_IMPORT + HANDLER.replace("request_body[", "'new ' + request_body["))
    await started.serving.reload()
    assert (await ask(started, {"prompt": "hi"})).json() == "the engine says new hi"
    script.write_text(START + AT_IMPORT.replace("org/model", "org/other") + HANDLER)
    await started.serving.reload()
    assert (await ask(started, {"prompt": "hi"})).json() == "the engine says new hi"
    assert "the edit was refused" in caplog.text
    await started.serving.end()


async def test_adoption_may_be_switched_off(starting: Callable[..., Starting]) -> None:
    started = starting(START + "\n@custom_invocation_handler\ndef answer(): return 3\n", HANDRAIL_ADOPT="false")
    started.backend.start = started.backend.__class__.__mro__[1].start.__get__(started.backend)  # type: ignore
    await started.begin()
    assert started.backend.adoption is None
    assert (await ask(started, {})).json() == 3
    await started.serving.end()


async def test_where_the_engines_are_elsewhere_none_starts(starting: Callable[..., Starting]) -> None:
    """As in the process that starts Ray's replicas: the script is loaded, and a use of the engine is refused."""
    started = starting(START + AT_IMPORT + "first = engine.generate('warm')\n" + HANDLER)
    started.startup.runs_engine = False
    with pytest.raises(StartRefused, match="the engines are in the replicas, and the script is only checked here"):
        await started.startup.load()
    assert started.backend.prepared == 0


async def test_what_only_an_unused_guard_builds_is_none(starting: Callable[..., Starting]) -> None:
    """It is for a trial on the command line; a class that it names may be a style's."""
    tries = "def main():\n    from vllm import LLM\n    LLM('org/trial')\nif __name__ == '__main__':\n    main()\n"
    started = starting(START + tries + HANDLER)
    program = await started.startup.load()
    assert not started.startup.serving.find_engine().builds_engine
    made = "class Model:\n    def f(self):\n        from vllm import LLM\n        LLM('org/model')\n"
    (started.folder / "model.py").write_text(START + made + "if __name__ == '__main__':\n    Model().f()\n" + HANDLER)
    assert started.startup.serving.find_engine().builds_engine
    assert program.faults == ()


async def test_what_needs_a_gpu_is_a_warning_of_the_start(
    starting: Callable[..., Starting], caplog: pytest.LogCaptureFixture
) -> None:
    started = starting(
        START + "\ndef unused():\n    from vllm import LLM\n    LLM('org/model', dtype='half')\n" + HANDLER
    )
    await started.begin()
    assert "model.py:9 dtype: there is no GPU for it" in caplog.text
    await started.serving.end()
