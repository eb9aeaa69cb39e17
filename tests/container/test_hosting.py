"""What SageMaker asks of a container: its methods, its headers, its port, its sizes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import forked
from tests.conftest import Launch
from tests.servers import HANDRAIL, SCRIPTS, Served, environment, eventually, free_port, run

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
CHAT = {"messages": [{"role": "user", "content": "two words"}]}


@pytest.fixture(scope="module")
def served(serving: Launch) -> Served:
    return serving("hosting.py")


@pytest.fixture(scope="module")
def default(serving: Launch) -> Served:
    return serving(None)


def ask(served: Served, payload: Any, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return served.http.post("/invocations", json=payload, headers=given)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_ping_takes_every_method_of_the_platforms(served: Served, method: str) -> None:
    answer = served.http.request(method, "/ping")
    assert (answer.status_code, bool(answer.content)) == (200, method != "HEAD")


def test_custom_attributes_are_the_handlers(served: Served, default: Served) -> None:
    """It reads them, and they go back where it says so: all 1024 characters, and none of itself."""
    attributes = "tenant=a;" + "x" * 1015
    answer = served.http.post("/invocations", content=b"x", headers={ATTRIBUTES: attributes})
    assert answer.headers[ATTRIBUTES] == attributes
    assert ATTRIBUTES not in served.http.post("/invocations", content=b"x").headers
    assert ATTRIBUTES not in ask(default, CHAT, **{ATTRIBUTES: "tenant=a"}).headers


def test_the_inference_id_is_the_requests(served: Served, default: Served) -> None:
    """Before a request id of another kind, in answers and in errors."""
    headers = {"X-Amzn-SageMaker-Inference-Id": "a" * 64, "X-Request-Id": "other"}
    assert served.http.post("/invocations", content=b"x", headers=headers).headers["X-Request-Id"] == "a" * 64
    answer = ask(default, {}, **headers)
    assert (answer.status_code, answer.json()["error"]["request_id"]) == (400, "a" * 64)


def test_headers_it_does_not_know_change_nothing(default: Served) -> None:
    unknown = {f"X-Amzn-SageMaker-{name}": "x" for name in ("Target-Variant", "Inference-Component", "New-One")}
    assert ask(default, CHAT, **unknown).status_code == 200


def test_it_listens_where_sagemaker_says(tmp_path: Path) -> None:
    """In a pipeline of containers each has a port of its own."""
    port = free_port()
    given = environment({"SAGEMAKER_BIND_TO_PORT": str(port), "HANDRAIL_ENGINE": "echo"})
    with open(os.devnull, "w") as nowhere:
        process = forked.start([HANDRAIL, "serve", tmp_path], given, nowhere, nowhere)
    try:
        with httpx.Client(trust_env=False, verify=False) as http:
            eventually(lambda: is_ready(http, port), "the port")
    finally:
        process.terminate()
        assert process.wait(30) == 0


def is_ready(http: httpx.Client, port: int) -> bool:
    try:
        return http.get(f"http://127.0.0.1:{port}/ping").status_code == 200
    except httpx.TransportError:
        return False


def test_25_mb_are_taken(served: Served) -> None:
    """And not a byte more, whether the length is announced or not."""
    largest = 25 * 1024 * 1024
    for body, status in ((bytes(largest), 200), (bytes(largest + 1), 413)):
        for content in (body, iter([body[:largest], body[largest:]])):
            answer = served.http.post("/invocations", content=content)
            assert answer.status_code == status
    assert served.http.post("/invocations", content=bytes(largest)).text == str(largest)


def test_a_stream_is_not_held_back(served: Served, tmp_path: Path) -> None:
    """The first piece is read before the second can be made."""
    flag = tmp_path / "read"
    with served.http.stream(
        "POST", "/invocations", content=os.fsencode(flag), headers={ATTRIBUTES: "stream"}
    ) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"first\n"
        flag.touch()
        assert next(pieces) == b"second\n"


# The default handler.


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
@pytest.mark.parametrize("strict", ["lenient", "strict"])
def test_the_model_may_be_the_empty_string(serving: Launch, path: str, strict: str) -> None:
    """As SageMaker's OpenAI path sends it."""
    served = serving(None, HANDRAIL_MODEL_NAMES=strict)
    answer = served.http.post(path, json={**CHAT, "model": ""})
    assert (answer.status_code, answer.json()["model"]) == (200, "echo")


def test_the_openai_path_streams(default: Served) -> None:
    with default.http.stream("POST", "/v1/chat/completions", json={**CHAT, "model": "", "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert list(answer.iter_lines())[-2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize(
    "attributes", ["route=/v1/embeddings", "a=b,route=/v1/embeddings", "a=b; route=/v1/embeddings?x=1;c=d"]
)
def test_a_route_among_the_attributes_is_taken(default: Served, attributes: str) -> None:
    """Rather than the one that the body's keys would mean."""
    answer = ask(default, {**CHAT, "input": "words"}, **{ATTRIBUTES: attributes})
    assert answer.json()["data"][0]["object"] == "embedding"


def test_a_route_takes_whatever_body_the_route_takes(default: Served) -> None:
    answer = ask(default, {"prompt": "two words"}, **{ATTRIBUTES: "route=/tokenize"})
    assert answer.json()["count"] == 2


@pytest.mark.parametrize(
    ("route", "status"), [("/v1/none", 404), ("/invocations", 404), ("/metrics", 404), ("/", 404), ("/v1/models", 405)]
)
def test_a_route_that_is_none_of_the_engines_is_an_error(default: Served, route: str, status: int) -> None:
    answer = ask(default, CHAT, **{ATTRIBUTES: f"route={route}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


@pytest.mark.parametrize("attributes", ["reroute=/v1/embeddings", "route=v1/embeddings", "route="])
def test_what_is_no_route_is_an_attribute(default: Served, attributes: str) -> None:
    assert ask(default, CHAT, **{ATTRIBUTES: attributes}).json()["object"] == "chat.completion"


def test_without_an_engine_there_are_no_routes(serving: Launch) -> None:
    served = serving(None, HANDRAIL_ENGINE="none")
    answer = ask(served, CHAT, **{ATTRIBUTES: "route=/v1/embeddings"})
    assert (answer.status_code, "give model.py a handler" in answer.text) == (400, True)


@pytest.mark.parametrize("header", ["Accept", "X-Amzn-SageMaker-Accept"])
def test_who_accepts_events_alone_gets_them(default: Served, header: str) -> None:
    """Where the body does not say."""
    headers = {"Accept": "", header: "text/event-stream; q=1"}
    streamed = ask(default, CHAT, **headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert ask(default, {"prompt": "x"}, **headers).text.endswith("data: [DONE]\n\n")
    assert ask(default, {**CHAT, "stream": False}, **headers).json()["object"] == "chat.completion"
    assert ask(default, {"input": "x"}, **headers).json()["object"] == "list"


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/event-stream, application/json", "text/csv"])
def test_others_get_what_their_body_asks_for(default: Served, accept: str) -> None:
    """OpenAI's clients accept JSON and ask for streams; SageMaker's accept what their deserializer likes."""
    assert ask(default, CHAT, Accept=accept).json()["object"] == "chat.completion"
    assert ask(default, {**CHAT, "stream": True}, Accept=accept).text.endswith("data: [DONE]\n\n")


# Its environment.


def warnings(**given: str) -> list[str]:
    found = run("check", SCRIPTS / "package", "--json", HANDRAIL_ENGINE="echo", **given)
    assert found.returncode == 0
    listed: list[str] = json.loads(found.stdout)["warnings"]
    return [warning for warning in listed if "SageMaker takes" in warning]


def test_check_warns_of_an_environment_that_sagemaker_does_not_take() -> None:
    """A value of over 1024 bytes, over 100 variables, 32 KB in all; of variables that we do not read, nothing."""
    assert warnings(CUSTOM_FASTAPI_PING_HANDLER="", OTHERS="x" * 5000) == []
    (long,) = warnings(HANDRAIL_API_KEY="k" * 1025)
    assert long.startswith("HANDRAIL_API_KEY has 1025 bytes, and SageMaker takes 1024 for a variable: put long")
    ours = {f"PROCESS_{number}": "x" for number in range(200)}
    assert warnings(**ours) == []
    flags = {f"SM_VLLM_{number}": "x" * 400 for number in range(100)}
    many, all_of_them = warnings(**flags)
    assert many == "102 variables are set, and SageMaker takes 100: put long values into a file of the model directory"
    assert all_of_them.startswith("the variables that are set have ")
