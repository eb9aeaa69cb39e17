"""What stands around the handlers: which of several is taken, and everything that stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.core.errors import Ambiguous, FileMissing, MalformedReference, SignatureRefused
from handrail.resolve import Program

from tests.handlers.conftest import Written

HEAD = "from handrail import custom_middleware, input_formatter, output_formatter\n"
PRE = "@input_formatter\ndef decorated_pre(request): ...\n"
POST = "@output_formatter\ndef decorated_post(response): ...\n"
BOTH = '@custom_middleware("pre_post_process")\nasync def decorated_both(request, call_next): ...\n'
THROTTLE = '@custom_middleware("throttle")\nasync def decorated_throttle(request, call_next): ...\n'
PLAIN = """
def pre(request): ...
def post(response): ...
async def both(request, call_next): ...
async def throttle(request, call_next): ...
class Throttle:
    def __init__(self, app): ...
"""


def around(served: Program) -> list[str]:
    """The names of what stands around the handlers, outermost first."""
    assert served.faults == ()
    return [wrapper.candidate.label for wrapper in served.around.wrappers]


@pytest.mark.parametrize(
    ("decorated", "environment", "expected"),
    [
        ("", {}, []),
        (PRE + POST, {}, ["decorated_pre", "decorated_post"]),
        (BOTH, {}, ["decorated_both"]),
        (THROTTLE + PRE, {}, ["decorated_throttle", "decorated_pre"]),
        (THROTTLE, {"throttle": "model:throttle"}, ["throttle"]),
        (THROTTLE, {"throttle": "model:Throttle"}, ["Throttle"]),
        (BOTH, {"pre_post_process": "model:both"}, ["both"]),
        (PRE, {"input_formatter": "model:pre"}, ["pre"]),
        (POST, {"output_formatter": "model:post"}, ["post"]),
        # one from the environment, the other decorated: they combine
        (PRE + POST, {"input_formatter": "model:pre"}, ["pre", "decorated_post"]),
        (PRE + POST, {"output_formatter": "model:post"}, ["decorated_pre", "post"]),
        # combined before separate, from the same place
        (PRE + POST + BOTH, {}, ["decorated_both"]),
        ("", {"pre_post_process": "model:both", "input_formatter": "model:pre"}, ["both"]),
        # the environment before the script
        (PRE + POST, {"pre_post_process": "model:both"}, ["both"]),
        (BOTH, {"input_formatter": "model:pre"}, ["pre"]),
        (BOTH + POST, {"input_formatter": "model:pre"}, ["pre", "decorated_post"]),
        (BOTH, {"input_formatter": "model:pre", "output_formatter": "model:post"}, ["pre", "post"]),
        (BOTH, {"input_formatter": "model:pre", "pre_post_process": "model:both"}, ["both"]),
        # a throttle is a place of its own
        (THROTTLE + BOTH, {"input_formatter": "model:pre"}, ["decorated_throttle", "pre"]),
    ],
)
def test_which_of_several_stands_around(
    program: Written, decorated: str, environment: dict[str, str], expected: list[str]
) -> None:
    """Environment before decorator, combined before separate, and halves from both combine."""
    assert around(program(HEAD + decorated + PLAIN, **environment)) == expected


@pytest.mark.parametrize(
    ("decorated", "environment", "warning"),
    [
        (
            PRE,
            {"input_formatter": "model:pre"},
            "input_formatter: CUSTOM_PRE_PROCESS=model:pre hides decorated_pre, decorated with @input_formatter",
        ),
        (
            PRE + BOTH,
            {},
            'input_formatter: decorated with @custom_middleware("pre_post_process") hides decorated_pre',
        ),
        (
            BOTH,
            {"output_formatter": "model:post"},
            "pre_post_process: CUSTOM_POST_PROCESS=model:post hides decorated_both",
        ),
    ],
)
def test_what_is_hidden_is_told(program: Written, decorated: str, environment: dict[str, str], warning: str) -> None:
    """By what, and which."""
    assert program(HEAD + decorated + PLAIN, **environment).warnings == (warning,)


@pytest.mark.parametrize(
    ("marked", "place"),
    [
        (THROTTLE, "throttle"),
        (BOTH, "pre_post_process"),
        (PRE, "input_formatter"),
        (POST, "output_formatter"),
    ],
)
def test_two_for_one_place_stop_the_start(program: Written, model_path: Path, marked: str, place: str) -> None:
    """Both lines are named, and how to choose; a choice ends it."""
    second = marked.replace("decorated_", "second_")
    (fault,) = program(HEAD + marked + second).faults
    assert isinstance(fault, Ambiguous)
    assert f"{place} has 2 functions that are decorated with @" in str(fault)
    assert f"({model_path}/model.py:3) and second_" in str(fault)
    assert f"({model_path}/model.py:5)" in str(fault)
    name = str(fault).rpartition("=")[2].rstrip(".")
    assert around(program(HEAD + marked + second, **{place: name})) == [name.removeprefix("model:")]


@pytest.mark.parametrize(
    ("text", "environment", "kind", "said"),
    [
        (HEAD + "@input_formatter\ndef pre(): ...\n", {}, SignatureRefused, "an input formatter takes the request"),
        (PLAIN, {"throttle": "model:pre"}, SignatureRefused, "throttle, CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE=model:pre:"),
        (PLAIN, {"input_formatter": "other.py:pre"}, FileMissing, "CUSTOM_PRE_PROCESS is 'other.py:pre'"),
        (PLAIN, {"output_formatter": "post"}, MalformedReference, "CUSTOM_POST_PROCESS is 'post'"),
    ],
)
def test_a_broken_one_stops_the_start(
    program: Written, text: str, environment: dict[str, str], kind: type, said: str
) -> None:
    """A filter never fails open."""
    (fault,) = program(text, **environment).faults
    assert type(fault) is kind
    assert said in str(fault)


def test_all_that_is_broken_is_told_at_once(program: Written) -> None:
    """Of every place, beside the faults of the handlers."""
    served = program(PLAIN, throttle="model:nothing", input_formatter="model:post_", ping="model:alive")
    assert len(served.faults) == 3
    assert [wrapper.place for wrapper in served.around.wrappers] == []


def test_the_sentences_have_what_stands_around(program: Written, model_path: Path) -> None:
    """The place, the function, its line, and by which name it was asked for."""
    (sentence,) = program(HEAD + PRE).sentences()[3:]
    assert sentence == (
        f"input_formatter stands around the handlers: decorated_pre ({model_path}/model.py:3), "
        "decorated with @input_formatter"
    )
