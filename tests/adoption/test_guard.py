"""A script that is nothing without its main guard: it is run, and the application it would run is served."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.resolve import Program, resolve
from handrail.styles.app.model import AppModel
from handrail.styles.app.style import AppStyle
from starlette.applications import Starlette

from tests.interpreter import user_programs_forgotten

SCRIPTS = Path(__file__).parents[1] / "scripts" / "adoption"
STAND_IN = SCRIPTS / "own_stand_in"
RUN, SERVE, CONFIGURE = uvicorn.run, uvicorn.Server.serve, uvicorn.Config.configure_logging

Resolved = Callable[..., Program]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for vLLM is what scripts import."""
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "vllm"}
    monkeypatch.syspath_prepend(STAND_IN)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]
    sys.modules.update(real)


@pytest.fixture
def resolved(tmp_path: Path, vllm: None) -> Iterator[Resolved]:
    """Resolves a script, or the text of one, with a command line."""

    def load(script: str, *arguments: str, runs_guard: bool = True, **siblings: str) -> Program:
        if "\n" in script:
            (tmp_path / "model.py").write_text(script)
        else:
            shutil.copy(SCRIPTS / f"{script}.py", tmp_path / "model.py")
        for name, text in siblings.items():
            (tmp_path / f"{name}.py").write_text(text)
        found = resolve(Sources(tmp_path, styles=(AppStyle(),), runs_guard=runs_guard, script_args=arguments))
        assert (uvicorn.run, uvicorn.Server.serve, uvicorn.Config.configure_logging) == (RUN, SERVE, CONFIGURE)
        return found

    with user_programs_forgotten(tmp_path):
        yield load


def app_of(program: Program) -> AppModel:
    assert program.faults == ()
    (model,) = program.models
    assert isinstance(model, AppModel)
    return model


def names(program: Program) -> dict[str, Any]:
    """What the script has defined."""
    return vars(
        next(module for module in sys.modules.values() if getattr(module, "__file__", "") == str(program.script))
    )


def built() -> list[str]:
    return [engine.model for engine in sys.modules["vllm"].built]


def test_a_guard_that_builds_the_engine_is_run_with_its_command_line(resolved: Resolved, tmp_path: Path) -> None:
    """The text `main:app` is the script itself, under whichever name: it is not imported again."""
    program = resolved("own_engine_in_guard", "--model", "demo")
    model = app_of(program)
    assert (built(), names(program)["seen"]) == (["demo"], ["after"])
    assert (model.app, model.invocation) == (names(program)["app"], "/generate")
    assert model.named.where == f"{tmp_path}/model.py:9"
    assert "main" not in sys.modules or not str(sys.modules["main"].__file__).startswith(str(tmp_path))
    assert [warning for warning in program.warnings if "uvicorn" in warning] == [
        f"{tmp_path}/model.py:25 uvicorn.run(host='0.0.0.0', port=8000): not read, as this server listens by its own"
    ]


def test_what_the_command_line_lacks_is_named(resolved: Resolved, tmp_path: Path) -> None:
    (fault,) = resolved("own_engine_in_guard").faults
    assert str(fault) == (
        f"{tmp_path}/model.py:23 the script wants --model on its command line: set HANDRAIL_SCRIPT_ARGS."
    )


def test_what_the_command_line_has_wrong_is_told_in_the_parser_s_words(resolved: Resolved, tmp_path: Path) -> None:
    (fault,) = resolved("own_startup_waits_for_guard", "--model", "no-such").faults
    assert str(fault).startswith(f"{tmp_path}/model.py:22 the script does not take its command line: argument --model")
    assert str(fault).endswith("Change HANDRAIL_SCRIPT_ARGS.")


def test_a_command_line_that_is_read_at_import_is_the_same(resolved: Resolved, tmp_path: Path) -> None:
    text = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--model', required=True)\n{}\n"
    program = resolved(text.format("read = parser.parse_args().model"), "--model", "demo")
    assert names(program)["read"] == "demo"
    (fault,) = resolved(text.format("parser.parse_args()")).faults
    assert str(fault) == (
        f"{tmp_path}/model.py:4 failed to import: SystemExit: the script wants --model on its command line: set "
        "HANDRAIL_SCRIPT_ARGS"
    )


def test_an_application_that_only_the_guard_makes_is_served(resolved: Resolved, tmp_path: Path) -> None:
    """The call that serves it is its place, as it has no name. The guard ends by sys.exit."""
    program = resolved("own_app_in_guard", "bot")
    model = app_of(program)
    assert (model.app.title, model.invocation) == ("bot", "/answer")  # type: ignore[attr-defined]
    assert model.named.where == f"{tmp_path}/model.py:23"
    assert names(program)["noted"].__annotations__ == {"x": "Undefined"}


def test_a_server_in_a_coroutine_is_captured(resolved: Resolved, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    program = resolved("own_server_in_coroutine")
    assert (app_of(program).app, built()) == (names(program)["app"], ["demo"])
    assert signal.getsignal(signal.SIGTERM) is before
    told = [warning.removeprefix(f"{tmp_path}/model.py:") for warning in program.warnings]
    assert told[0].startswith("33 uvicorn.Server.serve(host='127.0.0.1', port=8000): not read")
    assert "uvicorn.Server.run: not served" in told[1]
    assert told[2] == "25 sets a handler of signals in the main guard: left out, as the server handles them"


def test_vllm_s_serve_http_is_captured(resolved: Resolved) -> None:
    program = resolved("own_serve_http")
    assert (app_of(program).app, built()) == (names(program)["app"], ["demo"])


def test_a_guard_that_sets_what_functions_read_is_run(resolved: Resolved) -> None:
    program = resolved("own_startup_waits_for_guard", "--model", "other")
    assert app_of(program).app is names(program)["app"]
    assert names(program)["args"].model == "other"


def test_a_guard_that_is_not_needed_is_left_alone(resolved: Resolved) -> None:
    program = resolved("own_guard_not_needed")
    assert (app_of(program).app, built()) == (names(program)["app"], ["demo"])


def test_a_guard_is_left_alone_where_engines_are_not_adopted(resolved: Resolved) -> None:
    assert names(resolved("own_engine_in_guard", runs_guard=False))["engine"] is None


SERVES = "import uvicorn\nfrom fastapi import FastAPI\n"


@pytest.mark.parametrize(
    "text",
    [
        "from vllm import LLM\nif __name__ == '__main__':\n    LLM('a')\n",
        "from vllm import LLM\nimport flask\nif __name__ == '__main__':\n    LLM('a')\n    flask.run()\n",
        f"{SERVES}def custom_sagemaker_ping_handler(): ...\nif __name__ == '__main__': uvicorn.run(FastAPI())\n",
        f"{SERVES}from handrail import custom_ping_handler\n@custom_ping_handler\ndef ping(): ...\n"
        "if __name__ == '__main__':\n    uvicorn.run(FastAPI())\n",
        f"{SERVES}def serve(): uvicorn.run(FastAPI())\nif __name__ == '__main__': print('not that')\n",
        f"{SERVES}try:\n    if __name__ == '__main__': uvicorn.run(FastAPI())\nfinally: pass\n",
        f"{SERVES}app = FastAPI()\nb = 1\ndef f(a=1): return f, a, uvicorn, b\n"
        "if __name__ == '__main__': uvicorn.run(app)\n",
    ],
    ids=["no server", "another server", "a handler", "a mark", "another function", "not at the top", "an app"],
)
def test_what_serves_without_its_guard_is_not_run_with_it(resolved: Resolved, text: str) -> None:
    program = resolved(f"{text}\n")
    assert "vllm" not in sys.modules or built() == []
    assert not [warning for warning in program.warnings if "guard" in warning]


def test_what_a_configuration_may_name_is_not_run_with_its_guard(resolved: Resolved, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model_class_name: Mine\n")
    assert resolved("own_app_in_guard", "bot").models == ()


@pytest.mark.parametrize("name", ["app", "model:app", "other.main:holder.app", "__main__:app"])
def test_the_application_may_be_named_by_text(resolved: Resolved, name: str) -> None:
    where = "holder" if "holder" in name else "app"
    text = (
        f"{SERVES}class holder: ...\nif __name__ == '__main__':\n    {where}{{}} = FastAPI()\n    uvicorn.run('{{}}')\n"
    )
    value = name if ":" in name else f"main:{name}"
    program = resolved(text.format(".app" if where == "holder" else "", value))
    assert isinstance(app_of(program).app, Starlette)


def test_the_application_may_be_a_sibling_s_factory(resolved: Resolved) -> None:
    text = "import uvicorn\nif __name__ == '__main__':\n    uvicorn.run('own_sibling:make', factory=True, workers=4)\n"
    sibling = "from fastapi import FastAPI\ndef make(): return FastAPI(title='made')\n"
    program = resolved(text, own_sibling=sibling)
    assert app_of(program).app.title == "made"  # type: ignore[attr-defined]
    assert "uvicorn.run(workers=4): not read" in program.warnings[0]


def test_a_sibling_s_server_is_captured(resolved: Resolved) -> None:
    """Also where it has uvicorn's function under a name of its own."""
    text = "import own_sibling\nfrom fastapi import FastAPI\nif __name__ == '__main__': own_sibling.start(FastAPI())\n"
    sibling = "from uvicorn import run as serve\ndef start(app): serve(app)\n"
    assert isinstance(app_of(resolved(text, own_sibling=sibling)).app, Starlette)


GUARD = f"{SERVES}import sys\nif __name__ == '__main__':\n    {{}}\n    uvicorn.run({{}})\n"


@pytest.mark.parametrize(
    ("before", "app", "said"),
    [
        ("1 / 0", "FastAPI()", "model.py:5 the main guard failed: ZeroDivisionError: division by zero"),
        ("sys.exit(4)", "FastAPI()", "model.py:5 the main guard called sys.exit(4)"),
        ("pass", "lambda: 1", "model.py:6 serves a function, which is no FastAPI or Starlette application"),
        ("pass", "'gone:app'", "model.py:6 serves 'gone:app': there is no module 'gone'"),
        ("pass", "'model:gone'", "model.py:6 serves 'model:gone', and model has no 'gone'"),
        ("pass", "lambda: 1 / 0, factory=True", "model.py:6 the factory failed: ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_in_a_guard_is_the_script_s_fault(
    resolved: Resolved, tmp_path: Path, before: str, app: str, said: str
) -> None:
    (fault,) = resolved(GUARD.format(before, app)).faults
    assert str(fault).startswith(f"{tmp_path}/{said}")


def test_the_operator_s_ctrl_c_is_no_fault(resolved: Resolved) -> None:
    with pytest.raises(KeyboardInterrupt):
        resolved(GUARD.format("raise KeyboardInterrupt", "FastAPI()"))


def test_a_guard_that_starts_no_server_after_all_is_told(resolved: Resolved, tmp_path: Path) -> None:
    program = resolved(GUARD.format("sys.exit()", "FastAPI()"))
    assert f"{tmp_path}/model.py:4 the main guard was run, and it started no server" in program.warnings


def test_a_module_of_serve_http_that_is_not_there_is_the_script_s_error(resolved: Resolved) -> None:
    text = "if __name__ == '__main__':\n    from vllm.gone import serve_http\n    serve_http(1)\n"
    (fault,) = resolved(text).faults
    assert "model.py:2 the main guard failed: ModuleNotFoundError: No module named 'vllm.gone'" in str(fault)


def test_servers_of_other_threads_go_on(resolved: Resolved, tmp_path: Path) -> None:
    """What is captured is the script's: a thread that was there before gets uvicorn's own."""
    threads: list[Any] = []
    has_begun, is_captured = threading.Event(), threading.Event()
    seen: list[str] = []

    def elsewhere() -> None:
        has_begun.set()
        is_captured.wait(10)
        for ask in (_ask_run, _ask_server_run, _ask_server, _ask_config, _ask_signal, _ask_serve_http):
            seen.append(ask())

    threads.append(threading.Thread(target=elsewhere))
    threads[0].start()
    has_begun.wait(10)
    module = sys.modules[__name__]
    vars(module)["_told"] = (is_captured, threads[0])
    text = (
        f"{SERVES}from vllm.entrypoints.launcher import serve_http\nimport sys\n"
        "if __name__ == '__main__':\n"
        f"    ready, thread = sys.modules[{__name__!r}]._told\n    ready.set()\n    thread.join()\n"
        "    uvicorn.run(FastAPI())\n"
    )
    app_of(resolved(text))
    assert seen == ["TypeError", "TypeError", "AttributeError", "AttributeError", "ValueError", "AssertionError"]


def _raised(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001  whatever the original raises shows that it was asked
        return type(error).__name__
    return "nothing"


def _ask_run() -> str:
    return _raised(lambda: uvicorn.run(None, no_such_word=1))  # type: ignore[call-arg, arg-type]


def _ask_server_run() -> str:
    return _raised(lambda: uvicorn.Server(None).run(no_such_word=1))  # type: ignore[call-arg, arg-type]


def _ask_server() -> str:
    return _raised(lambda: asyncio.run(uvicorn.Server(None).serve()))  # type: ignore[arg-type]


def _ask_config() -> str:
    return _raised(lambda: uvicorn.Config.configure_logging(object()))  # type: ignore[arg-type]


def _ask_signal() -> str:
    return _raised(lambda: signal.signal(signal.SIGUSR1, print))  # type: ignore[arg-type]  # not the main thread


def _ask_serve_http() -> str:
    return _raised(lambda: asyncio.run(sys.modules["vllm.entrypoints.launcher"].serve_http(None)))


def test_a_script_that_cannot_be_read_has_no_guard(resolved: Resolved) -> None:
    assert len(resolved("def f(:\n\n").faults) == 1


def test_the_slots_of_the_application_are_filled(resolved: Resolved) -> None:
    program = resolved("own_app_in_guard", "bot")
    assert program.resolutions[Slot.INVOCATION].winner.found.startswith("app at ")
