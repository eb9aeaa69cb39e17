"""Code that adapters bring, on a real vLLM: formatters, templates, and what is left after a fault."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from trained import ARR, EXIT_3, PING, PIRATE, answer_to, user

from tests.examples import EXAMPLES, commands, running

pytestmark = pytest.mark.vllm

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
LOUD = """
import helpers

def input_formatter(data):
    data["temperature"] = 0
    return data

def output_formatter(data):
    for choice in data["choices"]:
        part = choice.get("message") or choice["delta"]
        part["content"] = helpers.changed(part.get("content") or "")
    return data
"""
#: Jinja drops a line break at the end.
TEMPLATE = f"<|im_start|>user\n{PING}<|im_end|>\n<|im_start|>assistant\n\n"


def written(folder: Path, **files: str) -> Path:
    shutil.copytree(PIRATE, folder)
    for stem, text in files.items():
        name = "chat_template.jinja" if stem == "template" else f"{stem}.py"
        (folder / name).write_text(text)
    return folder


def load(http: httpx.Client, name: str, folder: Path) -> httpx.Response:
    return http.post("/adapters", json={"name": name, "src": str(folder)})


@contextmanager
def loaded(http: httpx.Client, name: str, folder: Path) -> Iterator[None]:
    assert load(http, name, folder).text == f"Adapter {name} registered"
    try:
        yield
    finally:
        assert http.delete(f"/adapters/{name}").status_code == 200


def ask(http: httpx.Client, path: str = "/invocations", question: str = PING, **more: Any) -> httpx.Response:
    return http.post(path, json={"messages": [user(question)], **more}).raise_for_status()


def said(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def streamed(answer: httpx.Response) -> str:
    *events, last = answer.text.strip().split("\n\n")
    assert last == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
def test_formatters_see_answers_and_chunks_of_their_adapter(http: httpx.Client, tmp_path: Path, path: str) -> None:
    folders = [
        written(tmp_path / name, model=LOUD, helpers=f"def changed(text):\n    return text.{name}()\n")
        for name in ("upper", "lower")
    ]
    base = http.get("/v1/models").json()["data"][0]["id"]
    with loaded(http, "loud", folders[0]), loaded(http, "quiet", folders[1]):
        assert said(ask(http, path, model="loud")) == ARR.upper()
        assert said(ask(http, path, model="quiet")) == ARR.lower()
        assert streamed(ask(http, path, model="loud", stream=True)) == ARR.upper()
        assert said(ask(http, path, model=base, temperature=0)) == answer_to(PING)
        assert streamed(ask(http, path, model=base, temperature=0, stream=True)) == answer_to(PING)
    assert http.post(path, json={"messages": [user(PING)], "model": "loud"}).status_code == 404


def test_an_adapters_template_writes_its_chats(http: httpx.Client, tmp_path: Path) -> None:
    """Whatever is asked, it asks its own question; the model's chats are as ever."""
    with loaded(http, "templated", written(tmp_path / "templated", template=TEMPLATE)):
        for path in ("/invocations", "/v1/chat/completions"):
            assert said(ask(http, path, EXIT_3, model="templated", temperature=0)) == ARR
        assert said(ask(http, question=EXIT_3, temperature=0)) == answer_to(EXIT_3)


def test_a_fault_of_the_code_or_the_weights_leaves_nothing(http: httpx.Client, tmp_path: Path) -> None:
    broken = written(tmp_path / "broken", model="def input_formatter(): ...\n")
    answer = load(http, "broken", broken)
    assert (answer.status_code, f"{broken}/model.py:1" in answer.text) == (424, True)
    torn = written(tmp_path / "torn", model=LOUD, helpers="def changed(text):\n    return text.upper()\n")
    (torn / "adapter_model.safetensors").write_bytes(b"torn")
    assert load(http, "torn", torn).status_code >= 400
    assert http.get("/adapters").json() == {"adapters": []}
    with loaded(http, "torn", PIRATE):
        assert said(ask(http, model="torn", temperature=0)) == ARR


def test_a_handler_answers_the_adapters_invocations(http: httpx.Client, tmp_path: Path) -> None:
    code = (
        "import handrail\n"
        "from fastapi import Request\n"
        "@handrail.custom_invocation_handler\n"
        "async def answer(request: Request, engine: handrail.Engine):\n"
        "    asked = {'messages': (await request.json())['messages'], 'temperature': 0}\n"
        "    given = await engine.chat_completions(model_input=asked, request=request)\n"
        "    return {'said': given.choices[0].message.content}\n"
    )
    with loaded(http, "answers", written(tmp_path / "answers", model=code)):
        assert ask(http, model="answers").json() == {"said": ARR}
        assert said(ask(http, temperature=0)) == answer_to(PING)


def hits(url: str) -> float:
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return sum(map(float, re.findall(r"^vllm:prefix_cache_hits_total\{.*\} (\S+)$", text, re.MULTILINE)))


def test_the_example_and_the_salt(tmp_path: Path) -> None:
    """Every request of its README; an adapter of the start has its code; requests of one id share their prefixes."""
    folder = EXAMPLES / "adapter_code"
    given = {"SM_VLLM_LORA_MODULES": f"first={folder}/adapters/pirate", "HANDRAIL_PREFIX_AWARE": "salt"}
    with running("adapter_code", tmp_path / "log", **given) as example:
        told = []
        for command in commands(folder / "README.md")[1:]:
            example.ask = command
            told.append(example.answer())
        plain, registered, pirate, pieces, unregistered = told
        assert json.loads(plain)["choices"][0]["message"]["content"] == answer_to(PING)
        assert (registered, unregistered) == ("Adapter pirate registered", "Adapter pirate unregistered")
        assert json.loads(pirate) == {"answer": ARR, "by": "the pirate"}
        events = [event.removeprefix("data: ") for event in pieces.strip().split("\n\n")]
        assert "".join(json.loads(event)["answer"] for event in events[:-1]) == ARR
        first = httpx.post(f"{example.url}/invocations", json={"model": "first", "question": PING}, trust_env=False)
        assert first.json()["answer"] == ARR
        body = {"messages": [user("A long question. " * 20)], "max_tokens": 1}
        gained = []
        for tenant in ("a@b/c", "a@b/c", "other"):
            before = hits(example.url)
            sent = httpx.post(
                f"{example.url}/v1/chat/completions",
                json=body,
                headers={"X-Amzn-SageMaker-Prefix-Aware-Id": tenant},
                trust_env=False,
                timeout=60,
            )
            assert sent.status_code == 200
            gained.append(hits(example.url) > before)
        assert gained == [False, True, False]
