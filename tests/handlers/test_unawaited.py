"""A `def` that takes the engine and cannot await it is told before it is called; one that can do its work is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.handlers.conftest import Written

HEAD = "import asyncio\nfrom handrail import *\nfrom handrail import Engine\n\n@custom_invocation_handler\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def answer(body: dict, engine: Engine):\n    return engine.predict(body).choices",
            "`await engine.predict(…)`",
        ),
        ("def answer(engine: Engine):\n    a = engine.messages()\n    return {'a': a.content}", "in line 7"),
        ("def answer(engine: 'Engine | None'):\n    x: object = engine.messages()\n    return 1", "in line 7"),
        (
            "def answer(*, e: Engine):\n    for piece in e.generate('a'):\n        yield piece",
            "`async for … in e.generate(…)`",
        ),
        ("def answer(engine: Engine):\n    return dict(a={'b': engine.messages()})", "in line 7"),
        (
            "def answer(engine: Engine, /):\n    with open('x'):\n        return [engine.completions()['choices']]",
            "`async def answer`",
        ),
    ],
)
def test_a_def_that_goes_on_with_a_coroutine_is_warned_of(
    program: Written, model_path: Path, text: str, said: str
) -> None:
    found = program(f"{HEAD}{text}\n")
    (warning,) = found.warnings
    assert found.faults == ()
    assert warning.startswith(f"{model_path}/model.py:6 answer is a `def`, which cannot await what `")
    assert said in warning


@pytest.mark.parametrize(
    "text",
    [
        "async def answer(engine: Engine):\n    return (await engine.messages()).content",
        "def answer(engine: Engine):\n    return len(engine.tokenize('a'))",
        "def answer(engine: Engine):\n    return engine.messages()",
        "def answer(engine: Engine):\n    return engine.generate('a')",
        "def answer(engine: Engine):\n    return asyncio.run(engine.messages())",
        "def answer(engine: Engine):\n    call = engine.messages()\n    return asyncio.run(call)",
        "def answer(engine: Engine):\n    call = engine.messages()\n    return call",
        "def answer(engine: Engine):\n    return asyncio.gather(*[engine.messages() for _ in 'ab'])",
        "def answer(engine: Engine):\n    async def ask():\n        return await engine.messages()\n    return ask()",
        "def answer(engine: Engine):\n    return (lambda: engine.messages())()",
        "def answer(engine: Engine):\n    return other(engine)\ndef other(engine):\n    return 1",
        "def answer(request, engine: Engine):\n    return request.app.predict().a",
        "def answer():\n    return",
    ],
)
def test_what_may_work_is_left_alone(program: Written, text: str) -> None:
    found = program(f"{HEAD}{text}\n")
    assert (found.faults, found.warnings) == ((), ())


def test_hooks_are_looked_at_too(program: Written) -> None:
    text = "def answer():\n    return 1\n@on_startup\ndef warm(engine: Engine):\n    engine.predict({}).choices\n"
    (warning,) = program(f"{HEAD}{text}").warnings
    assert "warm is a `def`" in warning


def test_a_decorated_coroutine_function_is_one(program: Written) -> None:
    text = (
        "import functools\n"
        "def plain(f):\n    @functools.wraps(f)\n    def call(*a, **k):\n        return f(*a, **k)\n    return call\n"
        f"{HEAD}@plain\nasync def answer(engine: Engine):\n    return await engine.messages()\n"
    )
    assert program(text).warnings == ()
