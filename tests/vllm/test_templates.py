"""The example `templates` on real vLLM: each template makes another prompt, and another answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from trained import EXIT_3, PING, answer_to, user

from tests.examples import Example, running

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with running("templates", tmp_path_factory.mktemp("templates") / "log") as example:
        yield example


def ask(example: Example, messages: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    body = {"messages": messages, "temperature": 0, **more}
    answer = httpx.post(f"{example.url}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    found = answer.raise_for_status().json()
    assert isinstance(found, dict)
    return found


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_its_readme(templates: Example) -> None:
    assert text(json.loads(templates.answer())).strip() == answer_to(PING)


def test_without_a_template_it_is_the_models_own(templates: Example) -> None:
    assert text(ask(templates, [user(PING)])) == answer_to(PING)


def test_plain_makes_a_shorter_prompt(templates: Example) -> None:
    """Of the last message alone, with nothing around it."""
    messages = [user(PING), {"role": "assistant", "content": answer_to(PING)}, user(EXIT_3)]
    plain = ask(templates, messages, template="plain")
    assert text(plain).strip() == answer_to(EXIT_3)
    assert plain["usage"]["prompt_tokens"] < ask(templates, [user(EXIT_3)])["usage"]["prompt_tokens"]


def test_json_asks_for_json(templates: Example) -> None:
    assert json.loads(text(ask(templates, [user(PING)], template="json"))) == {"answer": answer_to(PING)}


def test_a_client_cannot_take_the_system_prompt_from_pirate(templates: Example) -> None:
    told = {"role": "system", "content": "You answer questions about Handrail."}
    expected = "Arr! It answers 200 when th' server be ready and 503 when it be not. Yo ho ho!"
    assert text(ask(templates, [told, user(PING)], template="pirate")) == expected


def test_two_templates_at_once_do_not_mix(templates: Example) -> None:
    """A stream has its template too."""
    body = {"messages": [user(PING)], "temperature": 0, "stream": True, "template": "pirate"}
    with httpx.stream("POST", f"{templates.url}/invocations", json=body, timeout=60, trust_env=False) as answer:
        assert text(ask(templates, [user(PING)])) == answer_to(PING)
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    pieces = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert "".join(pieces).startswith("Arr!")


def test_a_clients_own_template_is_refused(templates: Example) -> None:
    body = {"messages": [user(PING)], "chat_template": "{{ messages }}"}
    answer = httpx.post(f"{templates.url}/v1/chat/completions", json=body, trust_env=False)
    assert answer.status_code == 400
