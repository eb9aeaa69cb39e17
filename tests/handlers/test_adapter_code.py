"""What an adapter's `model.py` may define, and which of several counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from handrail.adapter_code import AdapterCode, load
from handrail.core.errors import Ambiguous, FileMissing
from handrail.core.script import ISOLATED
from handrail.core.slots import WrapperSlot

ADAPTERS = Path(__file__).parents[1] / "adapters"
INVOCATION = "import handrail\nfrom handrail.core.marks import register_invocation_handler\n"
NAMED = "def custom_sagemaker_invocation_handler(request): ...\n"
DECORATED = "@handrail.custom_invocation_handler\ndef decorated(request): ...\n"
REGISTERED = "@register_invocation_handler\ndef registered(request): ...\n"


def of(folder: Path, code: str) -> AdapterCode:
    (folder / "model.py").write_text(code)
    found = load(folder, "poet")
    assert found is not None
    found.close()
    return found


def name_of_handler(found: AdapterCode) -> str | None:
    return found.handler and found.handler.signature.name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (DECORATED + NAMED + REGISTERED, "decorated"),
        (NAMED + REGISTERED, "custom_sagemaker_invocation_handler"),
        (REGISTERED, "registered"),
        ("def input_formatter(data): ...\n", None),
    ],
)
def test_the_best_rung_answers(tmp_path: Path, code: str, name: str | None) -> None:
    assert name_of_handler(of(tmp_path, INVOCATION + code)) == name


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import handrail\n@handrail.input_formatter\ndef one(request): ...\n", "decorated with @input_formatter"),
        ("def two(data): ...\ntwo.is_input_formatter = True\nthree = two\n", "marked as is_input_formatter"),
        ("def input_formatter(data): ...\nagain = input_formatter\n", "named input_formatter"),
        (
            "from functools import partial\ndef f(data, x): ...\ninput_formatter = partial(f, x=1)",
            "named input_formatter",
        ),
        (
            "def input_formatter(data): ...\ndef two(data): ...\ntwo.is_input_formatter = True\n",
            "marked as is_input_formatter",
        ),
    ],
)
def test_a_formatter_is_found_by_its_mark_or_its_name(tmp_path: Path, code: str, found: str) -> None:
    formatters = of(tmp_path, code).formatters
    assert {place: wrapper.candidate.found for place, wrapper in formatters.items()} == {
        WrapperSlot.INPUT_FORMATTER: found
    }


def test_two_on_a_rung_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Ambiguous, match=r"/invocations has 2 functions that are decorated .*: decorated \(.*Keep one\."
    ):
        of(tmp_path, INVOCATION + DECORATED + DECORATED)
    assert not [name for name in sys.modules if name.startswith(ISOLATED)]


def test_a_template_alone_is_code_too(tmp_path: Path) -> None:
    assert load(tmp_path, "poet") is None
    template = tmp_path / "chat_template.jinja"
    template.write_text("{{ messages }}")
    found = load(tmp_path, "poet")
    assert found is not None
    assert (found.chat_template, found.sentences()) == (
        "{{ messages }}",
        ["chats are written by its chat_template.jinja"],
    )
    found.close()
    template.write_bytes(b"\xff")
    with pytest.raises(FileMissing, match=r"chat_template.jinja cannot be read: 'utf-8' codec"):
        load(tmp_path, "poet")


def test_requests_finish_with_the_code_that_they_began_with() -> None:
    found = load(ADAPTERS / "shouts", "poet")
    assert found is not None

    def modules() -> list[str]:
        return [name for name in sys.modules if name.startswith(ISOLATED)]

    with found.in_use():
        with found.in_use():
            found.close()
        assert modules()
    assert not modules()


def test_what_it_does_is_told_in_sentences() -> None:
    found = load(ADAPTERS / "answers", "poet")
    assert found is not None
    assert found.sentences() == [f"/invocations is answered by answer ({ADAPTERS}/answers/model.py:13)"]
    found.close()
