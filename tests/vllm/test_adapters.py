"""The example `lora`: adapters that come and go on a real vLLM, with the statuses of vLLM's own suite.

Which of its cases is which test here is in `test_sessions.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from conftest import ADAPTERS
from trained import ARR, PING, PIRATE, answer_to, user

from tests.examples import EXAMPLES, Example, commands
from tests.servers import eventually

pytestmark = pytest.mark.vllm

CONFIG = json.loads((PIRATE / "adapter_config.json").read_text())
HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
LONG = {"messages": [user(PING)], "stream": True, "max_tokens": 900, "ignore_eos": True}


def load(http: httpx.Client, name: str, source: Path = PIRATE) -> httpx.Response:
    return http.post("/adapters", json={"name": name, "src": str(source)})


@contextmanager
def loaded(http: httpx.Client, *names: str) -> Iterator[None]:
    for name in names:
        assert load(http, name).text == f"Adapter {name} registered"
    try:
        yield
    finally:
        for name in names:
            assert http.delete(f"/adapters/{name}").text == f"Adapter {name} unregistered"


def said(http: httpx.Client, adapter: str | None = None, **more: Any) -> str:
    headers = {HEADER: adapter} if adapter else {}
    body = {"messages": [user(PING)], "temperature": 0, **more}
    answer = http.post("/invocations", json=body, headers=headers).raise_for_status().json()
    return str(answer["choices"][0]["message"]["content"])


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_its_readme(lora: Example) -> None:
    """Every request of it, in order."""
    told = []
    for command in commands(EXAMPLES / "lora" / "README.md")[1:5]:
        lora.ask = command
        told.append(lora.answer())
    plain, registered, pirate, unregistered = told
    assert json.loads(plain)["choices"][0]["message"]["content"] == answer_to(PING)
    assert (registered, unregistered) == ("Adapter pirate registered", "Adapter pirate unregistered")
    assert json.loads(pirate)["choices"][0]["message"]["content"] == ARR


def test_invocations_with_an_adapter(http: httpx.Client) -> None:
    """The header goes before the body's `model`; without it the body's own is kept."""
    with loaded(http, "pirate"):
        assert said(http, "pirate") == said(http, "pirate", model="base") == said(http, model="pirate") == ARR
        assert said(http) == answer_to(PING)
    unknown = http.post("/invocations", json={"messages": [user(PING)], "model": "pirate"})
    assert unknown.status_code == 404


def test_a_prompt_is_completed_by_it(http: httpx.Client) -> None:
    """As a prompt, which the engine's own handler takes for a completion."""
    prompt = f"<|im_start|>user\n{PING}<|im_end|>\n<|im_start|>assistant\n"
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 60}
    with loaded(http, "pirate"):
        answer = http.post("/invocations", json=body, headers={HEADER: "pirate"}).raise_for_status().json()
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", ARR)


def test_the_lists_have_it_while_it_is_loaded(http: httpx.Client) -> None:
    """vLLM's, with where it is from and whose it is, and ours."""
    before = http.get("/v1/models").json()["data"]
    with loaded(http, "pirate"):
        *others, added = http.get("/v1/models").json()["data"]
        assert [model["id"] for model in others] == [model["id"] for model in before]
        assert (added["id"], added["root"], added["parent"]) == ("pirate", str(PIRATE), before[0]["id"])
        assert http.get("/adapters").json() == {"adapters": [{"name": "pirate", "src": str(PIRATE)}]}
    assert [model["id"] for model in http.get("/v1/models").json()["data"]] == [model["id"] for model in before]
    assert http.get("/adapters").json() == {"adapters": []}


def test_several_adapters_at_once(http: httpx.Client) -> None:
    """More than vLLM has at hand at once, asked at the same time as the model itself."""
    names = [f"adapter-{number}" for number in range(ADAPTERS + 3)]
    with loaded(http, *names), ThreadPoolExecutor() as pool:
        listed = [model["id"] for model in http.get("/v1/models").json()["data"]]
        answers = list(pool.map(lambda name: said(http, name), [*names, None] * 4))
    assert listed[-len(names) :] == names
    assert answers == [*[ARR] * len(names), answer_to(PING)] * 4


def test_what_is_not_there_is_404(http: httpx.Client, tmp_path: Path) -> None:
    status, message = refusal(load(http, "x", tmp_path / "no"))
    assert (status, message.startswith(f"there is no directory '{tmp_path / 'no'}' that an adapter may be")) == (
        404,
        True,
    )
    assert refusal(load(http, "x", tmp_path))[0] == 404
    assert refusal(load(http, "x", Path("no-such-organization/no-such-adapter")))[0] == 404  # may be one of the hub's
    assert http.delete("/adapters/x").status_code == 404
    sent = http.post("/invocations", json={"messages": [user(PING)]}, headers={HEADER: "x"})
    assert refusal(sent) == (404, "there is no adapter 'x': none is loaded")


@pytest.mark.parametrize(
    ("config", "weights", "cause"),
    [
        ("this is no JSON", b"", "adapter_config.json: Expecting value"),
        (json.dumps(CONFIG), None, "doesn't contain tensors"),
        (json.dumps(CONFIG), b"these are no weights", "rror"),
    ],
)
def test_what_cannot_be_read_is_500(
    http: httpx.Client, tmp_path: Path, config: str, weights: bytes | None, cause: str
) -> None:
    """With the cause; and the engine lives on."""
    (tmp_path / "adapter_config.json").write_text(config)
    if weights is not None:
        (tmp_path / "adapter_model.safetensors").write_bytes(weights)
    status, message = refusal(load(http, "broken", tmp_path))
    assert (status, cause in message, str(tmp_path) in message) == (500, True, True), message
    assert http.get("/adapters").json() == {"adapters": []}
    assert said(http) == answer_to(PING)


def test_weights_of_another_model_are_500(http: httpx.Client, tmp_path: Path) -> None:
    """They are found out when the engine has them already: it keeps nothing of them."""
    shutil.copy(PIRATE / "adapter_config.json", tmp_path)
    from safetensors.torch import load_file, save_file  # not where there is no vLLM

    weights = {name: weight.repeat(2, 2) for name, weight in load_file(PIRATE / "adapter_model.safetensors").items()}
    save_file(weights, tmp_path / "adapter_model.safetensors")
    for _ in range(8):  # more than there are places
        assert refusal(load(http, "foreign", tmp_path))[0] == 500
    with loaded(http, "pirate"):
        assert said(http, "pirate") == ARR


def test_a_rank_too_high_is_400_with_the_setting(http: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({**CONFIG, "r": 32}))
    shutil.copy(PIRATE / "adapter_model.safetensors", tmp_path)
    assert refusal(load(http, "wide", tmp_path)) == (
        400,
        f"the adapter in '{tmp_path}' has rank 32, and vLLM takes 16: set SM_VLLM_MAX_LORA_RANK",
    )


def test_a_name_is_taken_once(http: httpx.Client) -> None:
    base = http.get("/v1/models").json()["data"][0]["id"]
    assert refusal(load(http, base))[0] == 400
    with loaded(http, "pirate"):
        assert refusal(load(http, "pirate"))[0] == 400


def test_one_that_is_in_use_stays_unless_forced(http: httpx.Client) -> None:
    """A stream by the body's `model`, which only the engine knows of. Forced, it is answered all the same."""
    assert load(http, "busy").status_code == 200
    with http.stream("POST", "/v1/chat/completions", json={**LONG, "model": "busy", "max_tokens": 200}) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert refusal(http.delete("/adapters/busy"))[0] == 409
        assert http.delete("/adapters/busy?force=true").status_code == 200
        assert http.post("/v1/completions", json={"prompt": "a", "model": "busy"}).status_code == 404
        events = [line for line in lines if line]
    assert events[-1] == "data: [DONE]"
    assert not any("error" in event for event in events)


def test_adapters_come_and_go_under_traffic(http: httpx.Client) -> None:
    """Nobody else's answer changes."""
    over = Event()

    def asks(adapter: str | None) -> set[str]:
        answers = {said(http, adapter)}
        while not over.is_set():
            answers.add(said(http, adapter))
        return answers

    with loaded(http, "stays"), ThreadPoolExecutor() as pool:
        asking = [pool.submit(asks, adapter) for adapter in (None, "stays", None, "stays")]
        try:
            for number in range(4):
                with loaded(http, f"passing-{number}"):
                    assert said(http, f"passing-{number}") == ARR
        finally:
            over.set()
        assert [future.result() for future in asking] == [{answer_to(PING)}, {ARR}] * 2


def test_the_last_client_to_leave_frees_it(http: httpx.Client) -> None:
    assert load(http, "left").status_code == 200
    with http.stream("POST", "/invocations", json=LONG, headers={HEADER: "left"}) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()  # kept: httpx hangs up where it is collected
        next(lines)
        assert http.get("/adapters/left").json()["in_use"] == 1
    eventually(lambda: http.delete("/adapters/left").status_code == 200, "the adapter to be free")
