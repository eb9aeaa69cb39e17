"""`/adapters` and its header on the echo engine: an adapter is a name there, which the answers have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.engine.none import NoBackend

from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import Served, eventually

SOURCE = str(EXAMPLES / "lora" / "adapter")
ROOT = str(EXAMPLES / "lora")
HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
PROMPT = {"prompt": "one two"}


@pytest.fixture(scope="module")
def permitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the operator names."""
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(scope="module")
def echo(serving: Launch, permitted: Path) -> Served:
    return serving(HANDRAIL_ADAPTERS_PATH=f"{Path(SOURCE).parent}:{permitted}")


def load(served: Served, name: str, source: str = SOURCE, **more: Any) -> httpx.Response:
    return served.http.post("/adapters", json={"name": name, "src": source, **more})


def no_directory(source: str) -> str:
    return f"there is no directory {source[:200]!r} that an adapter may be loaded from: it has to be below"


@contextmanager
def loaded(served: Served, name: str, **more: Any) -> Iterator[None]:
    assert load(served, name, **more).status_code == 200
    try:
        yield
    finally:
        assert served.http.delete(f"/adapters/{name}").status_code == 200


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def invoke(served: Served, adapter: str | None = None, **more: Any) -> httpx.Response:
    return served.http.post(
        "/invocations", json={**PROMPT, **more}, headers={} if adapter is None else {HEADER: adapter}
    )


def test_one_comes_and_goes(echo: Served) -> None:
    """Answered as the AWS container does, in the list while it is there, and no invocation."""
    counted = "handrail_invocations_total"
    before = [line for line in echo.http.get("/metrics").text.splitlines() if line.startswith(counted)]
    assert load(echo, "poet", preload=False, pin=True).text == "Adapter poet registered"
    assert echo.http.get("/adapters").json() == {"adapters": [{"name": "poet", "src": SOURCE}]}
    assert echo.http.get("/adapters/poet").json() == {"name": "poet", "src": SOURCE, "in_use": 0}
    assert echo.http.delete("/adapters/poet").text == "Adapter poet unregistered"
    assert echo.http.get("/adapters").json() == {"adapters": []}
    assert refusal(echo.http.get("/adapters/poet")) == (404, "the adapter 'poet' is not loaded")
    assert [line for line in echo.http.get("/metrics").text.splitlines() if line.startswith(counted)] == before


def test_the_answers_have_the_platforms_alias(echo: Served) -> None:
    headers = {ALIAS: "Poet"}
    answer = echo.http.post("/adapters", json={"name": "poet", "src": SOURCE}, headers=headers)
    assert answer.text == "Adapter Poet registered"
    assert echo.http.delete("/adapters/poet", headers=headers).text == "Adapter Poet unregistered"


@pytest.mark.parametrize("content", [b"", b"not JSON"])
def test_the_query_does_where_the_body_is_no_json(echo: Served, content: bytes) -> None:
    params = {"name": "poet", "src": SOURCE, "preload": "true"}
    assert echo.http.post("/adapters", params=params, content=content).status_code == 200
    assert echo.http.delete("/adapters/poet").status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "name: Field required; src: Field required"),
        (b"{}", "name: Field required; src: Field required"),
        (b"[]", "body: Input should be a valid dictionary"),
        (b'{"name": "x"}', "src: Field required"),
        (b'{"name": "", "src": "/x"}', "name: String should have at least 1 character"),
        (b'{"name": "x", "src": ""}', "src: String should have at least 1 character"),
        (b'{"name": "x", "src": "/x", "pin": "perhaps"}', "pin: Input should be a valid boolean"),
        (b"{", "the body is not JSON: Expecting property name"),
        (b"\xff", "the body is not JSON: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_missing_is_400(echo: Served, content: bytes, said: str) -> None:
    status, message = refusal(echo.http.post("/adapters", content=content))
    assert (status, said in message) == (400, True), message


@pytest.mark.parametrize(("length", "status"), [(65536, 200), (65537, 413)])
def test_a_body_that_is_too_long_is_not_parsed(echo: Served, length: int, status: int) -> None:
    """Nor does the query do in its place."""
    body = json.dumps({"name": "long", "src": SOURCE}).encode().ljust(length)
    answer = echo.http.post("/adapters", params={"name": "long", "src": SOURCE}, content=body)
    assert answer.status_code == status
    if status == 200:
        echo.http.delete("/adapters/long")
    else:
        assert refusal(answer)[1].startswith("the body of POST /adapters has 65537 bytes")


@pytest.mark.parametrize("name", ["../etc", "a/b", "..", ".hidden", "a b", "ä", "a" * 257, "a\n", "-x"])
def test_a_name_that_is_a_path_or_no_header_is_400(echo: Served, name: str) -> None:
    status, message = refusal(load(echo, name))
    assert (status, "is no name for an adapter" in message) == (400, True)


def test_a_name_is_taken_once(echo: Served) -> None:
    assert refusal(load(echo, "echo")) == (
        400,
        "'echo' is the name of the model itself: choose another for the adapter",
    )
    with loaded(echo, "poet"):
        said = f"the adapter 'poet' is loaded already, from {SOURCE}: unload it first"
        assert refusal(load(echo, "poet")) == (400, said)


def test_what_is_not_there_is_404(echo: Served, permitted: Path) -> None:
    for odd in (str(permitted / "missing"), "nul\0nul", "long" * 2000, "~nobody/here", "s3://bucket/poet"):
        status, message = refusal(load(echo, "x", odd))
        assert (status, message.startswith(no_directory(odd))) == (404, True), message
    (permitted / "empty").mkdir(exist_ok=True)
    said = f"there is no adapter in {str(permitted / 'empty')!r}: it has no adapter_config.json"
    assert refusal(load(echo, "x", str(permitted / "empty"))) == (404, said)
    assert refusal(echo.http.delete("/adapters/x")) == (404, "the adapter 'x' is not loaded: none is loaded")
    with loaded(echo, "poet"):
        assert refusal(echo.http.delete("/adapters/x")) == (404, "the adapter 'x' is not loaded: loaded are 'poet'")


@pytest.mark.parametrize(("config", "said"), [("this is no JSON", "Expecting value"), ("[]", "is no JSON object")])
def test_what_cannot_be_read_is_500(echo: Served, permitted: Path, config: str, said: str) -> None:
    folder = permitted / "unreadable"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(config)
    status, message = refusal(load(echo, "x", str(folder)))
    assert (status, said in message, str(folder) in message) == (500, True, True)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/adapters", "GET, POST"), ("DELETE", "/adapters/", "GET, POST"), ("POST", "/adapters/x", "GET, DELETE")],
)
def test_other_methods_are_405(echo: Served, method: str, path: str, allowed: str) -> None:
    answer = echo.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_the_header_sends_an_invocation_to_it(echo: Served) -> None:
    """It goes before the body's `model`, which is kept where there is no header."""
    with loaded(echo, "poet"), loaded(echo, "other"):
        assert invoke(echo, "poet").json()["model"] == "poet"
        assert invoke(echo, "poet", model="other").json()["model"] == "poet"
        assert invoke(echo, "", model="other").json()["model"] == "other"
        assert invoke(echo, model="other").json()["model"] == "other"
        assert invoke(echo, model="nobody").json()["model"] == "nobody"
        assert invoke(echo, "echo").json()["model"] == "echo"
        assert [model["id"] for model in echo.http.get("/v1/models").json()["data"]] == ["echo", "poet", "other"]
        said = "there is no adapter 'nobody': loaded are 'poet', 'other'"
        assert refusal(invoke(echo, "nobody")) == (404, said)


def test_a_stream_and_half_a_character_go_through(echo: Served) -> None:
    """The body that reaches the engine is another; what is in it is the same."""
    with loaded(echo, "poet"):
        answer = invoke(echo, "poet", stream=True)
        first = json.loads(answer.text.partition("\n")[0].removeprefix("data: "))
        assert (first["model"], first["choices"][0]["text"]) == ("poet", "one")
        body = b'{"prompt": "\\ud800 and 12345678901234567890"}'
        assert echo.http.post("/invocations", content=body, headers={HEADER: "poet"}).status_code == 400


def test_other_operations_have_its_name_too(echo: Served) -> None:
    with loaded(echo, "poet"):
        assert invoke(echo, "poet", input="x", prompt="x").json()["model"] == "poet"
        for path in ("/v1/embeddings", "/v1/responses"):
            assert echo.http.post(path, json={"model": "poet", "input": "x"}).json()["model"] == "poet"
        message = {"model": "poet", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
        assert echo.http.post("/v1/messages", json=message).json()["model"] == "poet"


def test_a_handlers_calls_go_to_it(serving: Launch) -> None:
    """`request.state.adapter` has the name; the facade's calls go there unless they name another."""
    served = serving("says_its_adapter.py", HANDRAIL_ADAPTERS_PATH=ROOT)
    with loaded(served, "poet"), loaded(served, "other"):
        told = {model: invoke(served, "poet", model=model).json() for model in ("", "echo", "gpt-4", "other")}
        assert told == {model: ["poet", "other" if model == "other" else "poet"] for model in told}
        assert invoke(served).json() == [None, "echo"]
        assert invoke(served, model="other").json() == [None, "other"]
        assert refusal(invoke(served, "nobody")) == (404, "The model `nobody` does not exist.")


def test_strict_names_stay(serving: Launch) -> None:
    """An unknown one is refused, adapter or not."""
    served = serving("says_its_adapter.py", HANDRAIL_MODEL_NAMES="strict", HANDRAIL_ADAPTERS_PATH=ROOT)
    with loaded(served, "poet"):
        assert invoke(served, "poet").json() == ["poet", "poet"]
        assert invoke(served, "poet", model="echo").json() == ["poet", "poet"]
        assert invoke(served, "poet", model="gpt-4").status_code == 404
        assert invoke(served, model="gpt-4").status_code == 404


def test_one_in_use_stays_unless_forced(serving: Launch) -> None:
    """Whether the header sent the request there or its body names it; it is answered all the same."""
    served = serving(None, HANDRAIL_ECHO_TTFT_MS="500", HANDRAIL_ECHO_ITL_MS="500", HANDRAIL_ADAPTERS_PATH=ROOT)
    for headers, model in (({HEADER: "poet"}, {}), ({}, {"model": "poet"})):
        assert load(served, "poet").status_code == 200
        body = {**PROMPT, **model, "stream": True}
        with served.http.stream("POST", "/invocations", json=body, headers=headers) as answer:
            in_use = served.http.get("/adapters/poet").json()["in_use"]
            said = (
                "the adapter 'poet' is in use, by 1 of the requests under way: unload it when they are answered, "
                "or now with ?force=true, which takes it from new ones only"
            )
            assert (in_use, *refusal(served.http.delete("/adapters/poet"))) == (1, 409, said)
            assert served.http.delete("/adapters/poet?force=true").status_code == 200
            assert served.http.post("/invocations", json=PROMPT, headers={HEADER: "poet"}).status_code == 404
            assert answer.read().endswith(b"data: [DONE]\n\n")


def test_a_client_that_leaves_frees_it(serving: Launch) -> None:
    served = serving(None, HANDRAIL_ECHO_TTFT_MS="500", HANDRAIL_ECHO_ITL_MS="500", HANDRAIL_ADAPTERS_PATH=ROOT)
    assert load(served, "poet").status_code == 200
    body = {"prompt": "w " * 100, "max_tokens": 100, "stream": True}
    with served.http.stream("POST", "/invocations", json=body, headers={HEADER: "poet"}) as answer:
        next(answer.iter_lines())
    eventually(lambda: served.http.delete("/adapters/poet").status_code == 200, "the adapter to be free")


def test_the_same_name_twice_at_once_is_loaded_once(echo: Served) -> None:
    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(lambda _: load(echo, "twin").status_code, range(8)))
    assert answers == [200] + [400] * 7
    assert echo.http.delete("/adapters/twin").status_code == 200


def test_a_key_is_asked_for(serving: Launch) -> None:
    served = serving(None, HANDRAIL_API_KEY="secret")
    for method, path in (("GET", "/adapters"), ("POST", "/adapters"), ("DELETE", "/adapters/x")):
        assert served.http.request(method, path).status_code == 401


def test_nothing_is_loaded_before_the_server_is_ready(launch: Launch, tmp_path: Path) -> None:
    served = launch(tmp_path, HANDRAIL_ECHO_LOAD_S="30")
    served.first_answer()
    assert load(served, "poet").status_code == 503
    assert served.http.delete("/adapters/poet").status_code == 503


def test_an_engine_is_needed(serving: Launch) -> None:
    """Or handlers of the script's own."""
    served = serving(None, HANDRAIL_ENGINE="none", HANDRAIL_ADAPTERS_PATH=ROOT)
    assert served.http.get("/adapters").json() == {"adapters": []}
    status, message = refusal(load(served, "poet"))
    assert (status, "HANDRAIL_ENGINE=none" in message) == (501, True)
    assert served.http.delete("/adapters/poet").status_code == 404


class Slow(EchoAdapters):
    """Loads when it is told to."""

    def __init__(self) -> None:
        super().__init__("echo")
        self.go = asyncio.Event()

    async def add(self, name: str, folder: Path, source: str) -> None:
        await self.go.wait()
        await super().add(name, folder, source)


async def test_a_load_goes_on_where_its_client_leaves() -> None:
    """An engine that has begun to load it would have what nobody can unload; who asks next waits for it."""
    adapters = Slow()
    loading = asyncio.create_task(adapters.load("poet", SOURCE))
    await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    unloading = asyncio.create_task(adapters.unload("poet"))
    await asyncio.sleep(0)
    assert not adapters.loaded()
    adapters.go.set()
    await unloading
    assert not adapters.loaded()


async def test_those_that_are_being_loaded_count() -> None:
    """However many are asked for at once."""
    adapters = Slow()
    adapters.most = 2
    loading = [asyncio.create_task(adapters.load(f"poet-{number}", SOURCE)) for number in range(5)]
    await asyncio.sleep(0)
    adapters.go.set()
    refused = [one for one in await asyncio.gather(*loading, return_exceptions=True) if one is not None]
    assert len(adapters.loaded()) == 2
    assert [one.status_code for one in refused if isinstance(one, HTTPException)] == [507, 507, 507]
    await adapters.unload("poet-0")
    await adapters.load("another", SOURCE)


async def test_requests_are_counted_by_adapter() -> None:
    adapters = NoBackend().adapters
    with adapters.holding("poet"), adapters.holding("other"):
        with adapters.holding("poet"):
            assert (adapters.in_use("poet"), adapters.in_use("other")) == (2, 1)
        assert adapters.in_use("poet") == 1
    assert adapters.in_use("poet") == 0


async def test_no_engine_has_nothing_to_remove() -> None:
    adapters = NoBackend().adapters
    await adapters.add("poet", Path(SOURCE), SOURCE)
    await adapters.remove("poet", is_idle=True)
    assert (adapters.is_base("poet"), adapters.running("poet")) == (False, 0)


def test_a_scripts_own_handlers_answer(serving: Launch) -> None:
    """With the shapes that AWS's container knows: what they make of the request, and the answer the platform reads."""
    served = serving("own_adapters.py", HANDRAIL_ENGINE="none")
    assert load(served, "poet", "s3://bucket/poet").text == "Adapter poet registered"
    assert invoke(served).json() == {"poet": ["s3://bucket/poet", False, "no header"]}
    answer = served.http.post("/adapters", json={"name": "bad", "src": "/x"}, headers={"X-Fail": "yes"})
    assert (answer.status_code, answer.text) == (418, "a teapot")
    assert refusal(served.http.post("/adapters", json={"name": "x"}))[0] == 400
    assert served.http.delete("/adapters/poet").text == "Adapter poet unregistered"
    status, message = refusal(served.http.delete("/adapters/poet"))
    assert (status, "own_adapters.py:" in message, "KeyError" in message) == (500, True, True)
    assert invoke(served).json() == {}
    assert "POST /adapters is answered by load (" in served.stderr


def test_a_handler_without_a_shape_is_one_as_any_other(serving: Launch) -> None:
    served = serving("own_adapters_plain.py", HANDRAIL_ENGINE="none")
    assert served.http.post("/adapters", json={"any": "thing"}).json() == {"loaded": {"any": "thing"}}
    assert served.http.delete("/adapters/poet").json() == {"unloaded": "poet"}


def test_two_of_a_kind_stop_the_start(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from model_hosting_container_standards.sagemaker import register_load_adapter_handler as load\n"
        "@load(None)\ndef one(request): ...\n"
        "@load(None)\ndef two(request): ...\n"
    )
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert (
        "POST /adapters has 2 handlers that are registered with @register_load_adapter_handler: one (" in served.stderr
    )


def test_one_that_cannot_be_called_stops_the_start(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from model_hosting_container_standards.sagemaker import register_unload_adapter_handler\n"
        "@register_unload_adapter_handler\ndef unload(request, name): ...\n"
    )
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert "@register_unload_adapter_handler: " in served.stderr
