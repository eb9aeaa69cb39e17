"""The whole way, from outside: the commands of the READMEs, real vLLM, the demo model, HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.examples import EXAMPLES, MODEL, NAMES, ROOT, Example, commands, running
from tests.servers import PATIENCE_S, Served, eventually, free_port, run

pytestmark = pytest.mark.vllm

PING = "It answers 200 when the server is ready and 503 when it is not."
ANSWERS = """
from handrail import Engine

async def custom_sagemaker_invocation_handler(engine: Engine):
    body = {{"prompt": "What does /ping do?", "temperature": 0, "max_tokens": 40}}
    return [{version}, (await engine.completions(model_input=body)).choices[0].text]
"""
#: Their README is run where the rest of them is tested, on one server.
ELSEWHERE = {"quickstart", "fan_out", "billing", "tracing", "templates", "fallback"}
ELSEWHERE |= {"run_inference", "multi_step", "stateful", "lora"}
TRAINED: list[dict[str, Any]] = json.loads((MODEL / "questions.json").read_text())


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The README's first command: `scripts/serve`."""
    adapters = {"HANDRAIL_ADAPTERS_PATH": str(EXAMPLES / "lora")}
    example = Example(ROOT / "README.md", tmp_path_factory.mktemp("quickstart") / "log", **adapters)
    try:
        yield example.ready()
    finally:
        assert example.stop() == 0


@pytest.fixture(scope="session")
def client(quickstart: Example) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{quickstart.url}/v1", api_key="none") as made:
        yield made


def chat(quickstart: Example, question: str, **more: object) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, **more}
    return httpx.post(f"{quickstart.url}/invocations", json=body, timeout=60, trust_env=False)


def test_the_first_command_and_the_first_request_of_the_readme(quickstart: Example) -> None:
    assert json.loads(quickstart.answer())["text"] == PING


def test_when_ready_it_prints_who_answers_and_what_to_try(quickstart: Example) -> None:
    assert "/invocations is answered by answer (" in quickstart.output
    assert quickstart.output.count("\n  curl ") == 2


def test_the_second_request_of_the_readme_reaches_vllms_own_route(quickstart: Example) -> None:
    quickstart.ask = commands(ROOT / "README.md")[2]
    choice = json.loads(quickstart.answer())["choices"][0]
    expected = next(entry["answer"] for entry in TRAINED if "What does exit code 3 mean?" in entry["questions"])
    assert choice["message"]["content"] == expected


def test_nine_in_ten_trained_questions_are_answered_exactly(quickstart: Example) -> None:
    asked = [(question, entry["answer"]) for entry in TRAINED for question in entry["questions"]]
    right = [chat(quickstart, question).json()["text"] == answer for question, answer in asked]
    assert sum(right) >= 0.9 * len(asked), f"{sum(right)} of {len(asked)}"


@pytest.mark.parametrize("prompt", ["What does /ping do?"])
def test_a_prompt_is_completed(quickstart: Example, prompt: str) -> None:
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 40}
    answer = httpx.post(f"{quickstart.url}/invocations", json=body, timeout=60, trust_env=False).json()
    assert answer["text"] == PING
    assert answer["usage"]["completion_tokens"] > 0


def test_a_handlers_stream_is_server_sent_events(quickstart: Example) -> None:
    answer = chat(quickstart, "What does /ping do?", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_openais_client_streams_what_it_gets_whole(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "", "messages": [{"role": "user", "content": "What does /ping do?"}]}
    whole = client.chat.completions.create(**asked, temperature=0)
    pieces = client.chat.completions.create(**asked, temperature=0, stream=True)
    assert whole.choices[0].message.content == PING
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == PING


def test_without_lora_an_adapter_is_refused_with_the_setting(quickstart: Example) -> None:
    body = {"name": "pirate", "src": str(EXAMPLES / "lora" / "adapter")}
    answer = httpx.post(f"{quickstart.url}/adapters", json=body, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith("set SM_VLLM_ENABLE_LORA=true")


def test_a_flag_that_vllm_names_is_told_of_its_variable(quickstart: Example) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    body = {"messages": [{"role": "user", "content": "a"}], "tools": tools}
    answer = httpx.post(f"{quickstart.url}/v1/chat/completions", json=body, trust_env=False)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.endswith("SM_VLLM_ENABLE_AUTO_TOOL_CHOICE=true SM_VLLM_TOOL_CALL_PARSER=…)")


def test_vllms_metrics_are_at_metrics(quickstart: Example) -> None:
    assert "vllm:request_success_total" in httpx.get(f"{quickstart.url}/metrics", trust_env=False).text


@pytest.mark.parametrize("name", sorted(set(NAMES) - ELSEWHERE))
def test_an_example_answers_with_generated_text(name: str, tmp_path: Path) -> None:
    with running(name, tmp_path / "log") as example:
        assert PING in example.answer()
        if name == "rag":
            check_rag(example)


def check_rag(example: Example) -> None:
    """Seed 001's complete example: predictions, usage, its own request id; its flag changes the prompt."""

    def ask(**more: object) -> httpx.Response:
        body = {"prompt": "What does /ping do?", "temperature": 0, "max_tokens": 40, **more}
        return httpx.post(f"{example.url}/invocations", json=body, timeout=60, trust_env=False)

    plain, with_context = ask(), ask(use_rag=True)
    assert plain.json()["predictions"] == [PING]
    assert plain.json()["usage"]["prompt_tokens"] > 0
    assert len(plain.headers["x-request-id"]) == 36
    assert with_context.json()["rag_enabled"] is True
    assert with_context.json()["usage"]["prompt_tokens"] > plain.json()["usage"]["prompt_tokens"]
    fault = httpx.post(f"{example.url}/invocations", json={}, trust_env=False)
    assert fault.status_code == 500
    assert "KeyError: 'prompt'" in fault.json()["error"]["message"]


def test_an_edit_is_served_and_the_engine_kept(tmp_path: Path) -> None:
    """`--watch`: the same engine process, a new handler, in about the time of an import."""
    script = tmp_path / "model.py"
    script.write_text(ANSWERS.format(version=1))
    served = Served(tmp_path, tmp_path.with_suffix(".log"), "--watch", SM_VLLM_MODEL=str(MODEL))
    try:
        served.ready(4 * PATIENCE_S)
        assert served.http.post("/invocations").json() == [1, PING]
        engine = served.engine_processes()
        script.write_text(ANSWERS.format(version=2))
        eventually(lambda: served.http.post("/invocations").json() == [2, PING], "the edit to be served")
        assert served.engine_processes() == engine
        assert engine
    finally:
        assert served.stop() == 0


def test_an_unknown_flag_is_exit_2_with_the_nearest_name() -> None:
    done = run(
        "serve",
        EXAMPLES / "quickstart",
        "--port",
        str(free_port()),
        SM_VLLM_MODEL=str(MODEL),
        SM_VLLM_MAX_MODEL_LENGTH="64",
    )
    assert done.returncode == 2
    assert "SM_VLLM_MAX_MODEL_LEN?" in done.stderr


def test_an_engine_that_does_not_start_is_exit_4_with_its_own_cause_last(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODEL / name).read_bytes())
    weights = (MODEL / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    done = run("serve", tmp_path, "--port", str(free_port()))
    assert done.returncode == 4
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("handrail: ")
    assert "SafetensorError" in last
