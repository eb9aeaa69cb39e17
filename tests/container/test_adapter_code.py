"""Code that LoRA adapters bring: it applies to their requests alone, and comes and goes with them."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from handrail.core.script import ISOLATED
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.routes.by_adapter import _named, by_adapter
from handrail_container.routes.endpoint_makers import ours

from tests.conftest import Launch
from tests.servers import Served, eventually, run

ADAPTERS = Path(__file__).parents[1] / "adapters"
HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
CHAT = {"messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture(scope="module")
def permitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from which the operator lets adapters' code run."""
    return tmp_path_factory.mktemp("permitted")


@pytest.fixture(scope="module")
def echo(serving: Launch, permitted: Path) -> Served:
    return serving(HANDRAIL_ADAPTERS_PATH=f"{ADAPTERS}:{permitted}", HANDRAIL_ADAPTERS_CODE="local")


def load(served: Served, name: str, source: Path | None = None) -> httpx.Response:
    return served.http.post("/adapters", json={"name": name, "src": str(source or ADAPTERS / name)})


@contextmanager
def loaded(served: Served, *names: str) -> Iterator[None]:
    for name in names:
        assert load(served, name).text == f"Adapter {name} registered"
    try:
        yield
    finally:
        for name in names:
            assert served.http.delete(f"/adapters/{name}?force=true").status_code == 200


def invoke(served: Served, adapter: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if adapter is None else {HEADER: adapter}
    return served.http.post("/invocations", json={"prompt": "one two", **body}, headers=headers)


def text(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["text"])


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def chunks(answer: httpx.Response) -> list[dict[str, Any]]:
    """The data of a stream's events, which ends as it should."""
    *events, last = answer.text.removesuffix("\n\n").split("\n\n")
    assert last == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def written(folder: Path, code: str, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "model.py").write_text(code)
    for stem, more in files.items():
        (folder / f"{stem}.py").write_text(more)
    return folder


def test_formatters_see_the_adapters_requests_alone(echo: Served) -> None:
    """Named by the header or by the body, on /invocations and below /v1; modules of equal names are their own."""
    with loaded(echo, "shouts", "whispers"):
        assert text(invoke(echo, "shouts")) == "ONE TWO LOUDLY"
        assert text(invoke(echo, model="shouts")) == "ONE TWO LOUDLY"
        below = echo.http.post("/v1/completions", json={"prompt": "one two", "model": "shouts"})
        assert (text(below), below.json()["model"]) == ("ONE TWO LOUDLY", "shouts")
        whispered = invoke(echo, "whispers").json()
        assert whispered["choices"][0]["text"] == "one two softly warm-low low"
        assert whispered["whispered"] is True
        assert text(invoke(echo)) == text(invoke(echo, model="other")) == text(invoke(echo, "echo")) == "one two"
        assert "whispered" not in invoke(echo, model="echo").json()
    assert text(invoke(echo)) == "one two"
    assert invoke(echo, "shouts").status_code == 404


def test_each_chunk_of_a_stream_is_formatted(echo: Served) -> None:
    with loaded(echo, "shouts"):
        for answer in (
            invoke(echo, "shouts", stream=True),
            echo.http.post("/v1/completions", json={"prompt": "one two", "model": "shouts", "stream": True}),
        ):
            texts = [choice["text"] for chunk in chunks(answer) for choice in chunk["choices"]]
            assert "".join(texts) == "ONE TWO LOUDLY"
        plain = [choice["text"] for chunk in chunks(invoke(echo, stream=True)) for choice in chunk["choices"]]
        assert "".join(plain) == "one two"


def test_the_inputs_shape_is_formatted_too(echo: Served) -> None:
    body = {"inputs": "one two", "parameters": {"adapter_id": "shouts"}}
    with loaded(echo, "shouts"):
        assert echo.http.post("/invocations", json=body).json()["generated_text"] == "ONE TWO"
        lines = echo.http.post("/invocations", json={**body, "stream": True}).text.splitlines()
        assert json.loads(lines[-1])["generated_text"] == "ONE TWO"


def test_a_handler_answers_the_adapters_invocations(echo: Served) -> None:
    """Its calls of the engine go to the adapter, and its faults are told with their line."""
    with loaded(echo, "answers"):
        for answer in (invoke(echo, "answers"), invoke(echo, model="answers")):
            assert answer.json() == {"adapter": "answers", "model": "answers", "text": "one two"}
        assert text(invoke(echo)) == "one two"
        status, said = refusal(invoke(echo, "answers", **{"raise": True}))
        assert (status, said) == (500, f"answer raised ValueError: as asked ({ADAPTERS}/answers/model.py:16)")
        below = echo.http.post("/v1/completions", json={"prompt": "one two", "model": "answers"})
        assert text(below) == "one two"


def test_formatters_of_requests_are_as_a_scripts(echo: Served) -> None:
    with loaded(echo, "sees_requests"):
        assert invoke(echo, "sees_requests").headers["x-adapter"] == "sees_requests"
        assert "x-adapter" not in invoke(echo).headers


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def input_formatter(data)\n    pass\n", "{at}:1 failed to import: SyntaxError: expected ':'"),
        ("import helpers\n", "{at}:1 failed to import: RuntimeError: no luck. It was raised at {folder}/helpers.py:1"),
        ("import sys\nsys.exit(4)\n", "{at}:2 failed to import: SystemExit: it called sys.exit(4)"),
        ("import nowhere\n", "{at}:1 failed to import: ModuleNotFoundError: No module named 'nowhere'"),
        (
            "def output_formatter(data, request):\n    pass\n",
            "output_formatter, named output_formatter: {at}:1 def output_formatter(data, request): an adapter's output "
            "formatter takes an answer: output_formatter(data).",
        ),
        (
            "from handrail import input_formatter\n",
            "{at} defines nothing for the adapter's requests: an adapter's model.py defines input_formatter(data), ",
        ),
        (
            "import handrail\n@handrail.custom_ping_handler\ndef ping(): ...\n",
            "{at}:3: @custom_ping_handler applies to all requests of the server, and belongs in the model's script",
        ),
        ("def custom_sagemaker_ping_handler(): ...\n", "{at}:1: custom_sagemaker_ping_handler applies to all requests"),
        (
            "def one(data): ...\ndef two(data): ...\none.is_input_formatter = two.is_input_formatter = True\n",
            "input_formatter has 2 functions that are marked as is_input_formatter: one ({at}:1) and two ({at}:2). "
            "Keep one.",
        ),
        (
            "def custom_sagemaker_invocation_handler(one, two): ...\n",
            "/invocations, named custom_sagemaker_invocation_handler: {at}:1 ",
        ),
    ],
)
def test_a_fault_leaves_nothing(echo: Served, permitted: Path, code: str, said: str) -> None:
    """Neither weights nor a name; mended, the adapter is loaded."""
    folder = written(permitted / "faulty", code, helpers="raise RuntimeError('no luck')\n")
    told = f"the adapter 'faulty' is not loaded: {said.format(at=folder / 'model.py', folder=folder)}"
    status, message = refusal(load(echo, "faulty", folder))
    assert (status, message[: len(told)]) == (424, told)
    assert echo.http.get("/adapters").json() == {"adapters": []}
    written(folder, "def output_formatter(data):\n    return {'mended': True}\n")
    assert load(echo, "faulty", folder).status_code == 200
    assert invoke(echo, "faulty").json() == {"mended": True}
    assert echo.http.delete("/adapters/faulty").status_code == 200
    shutil.rmtree(folder)


def test_what_the_operator_has_not_allowed_is_refused(launch: Launch, permitted: Path, tmp_path: Path) -> None:
    """By default code runs from below the model directory; weights are not loaded without their code in silence."""
    within = written(tmp_path / "within", "def output_formatter(data):\n    return {'within': True}\n")
    outside = written(permitted / "outside", "raise RuntimeError('it ran')\n")
    served = launch(tmp_path, HANDRAIL_ADAPTERS_PATH=str(permitted)).ready()
    assert load(served, "within", within).status_code == 200
    assert invoke(served, "within").json() == {"within": True}
    said = (
        f"the adapter in {str(outside)!r} has a model.py, and HANDRAIL_ADAPTERS_CODE=model lets it run from below the "
        "model directory only: set local to let it run from every directory that adapters may be loaded from, or "
        "ignore to load the weights alone"
    )
    assert refusal(load(served, "outside", outside)) == (403, said)
    assert [one["name"] for one in served.http.get("/adapters").json()["adapters"]] == ["within"]


@pytest.mark.parametrize(("setting", "status"), [("refuse", 403), ("ignore", 200)])
def test_no_code_at_all(launch: Launch, tmp_path: Path, setting: str, status: int) -> None:
    folder = written(tmp_path / "poet", "raise RuntimeError('it ran')\n")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    served = launch(tmp_path, HANDRAIL_ADAPTERS_CODE=setting).ready()
    assert load(served, "poet", folder).status_code == status
    if setting == "ignore":
        assert text(invoke(served, "poet")) == "one two"
        said = (
            "the adapter poet is loaded without its model.py and chat_template.jinja, and HANDRAIL_ADAPTERS_CODE=ignore"
        )
        assert said in served.stderr


def test_the_authors_line_is_for_the_log_where_answers_have_no_details(launch: Launch, tmp_path: Path) -> None:
    folder = written(tmp_path / "poet", "raise RuntimeError('no luck')\n")
    served = launch(tmp_path, HANDRAIL_ERROR_DETAIL="none").ready()
    said = "the adapter 'poet' is not loaded: its code is at fault; the log has it"
    assert refusal(load(served, "poet", folder)) == (424, said)
    assert f"{folder}/model.py:1 failed to import: RuntimeError: no luck" in served.stderr


def modules(name: str, adapter: Path) -> str:
    return f'{{"name": "{name}", "path": "{adapter}"}}'


def test_an_adapter_of_the_start_has_its_code(launch: Launch, tmp_path: Path) -> None:
    flags = f"loud={ADAPTERS / 'shouts'}"
    served = launch(tmp_path, SM_VLLM_LORA_MODULES=flags).ready()
    assert text(invoke(served, "loud")) == "ONE TWO LOUDLY"
    assert f"the adapter loud: input_formatter: input_formatter ({ADAPTERS}/shouts/model.py:10)" in served.stderr
    assert served.http.delete("/adapters/loud").status_code == 200
    assert invoke(served, "loud").status_code == 404


def test_a_fault_of_such_code_stops_the_start(launch: Launch, tmp_path: Path) -> None:
    folder = written(tmp_path / "poet", "def input_formatter(): ...\n")
    served = launch(tmp_path, SM_VLLM_LORA_MODULES=modules("poet", folder))
    assert served.exit_code() == 3
    said = f"the adapter 'poet' of SM_VLLM_LORA_MODULES: input_formatter, named input_formatter: {folder}/model.py:1"
    assert said in served.stderr


def test_check_names_the_code_of_the_start(tmp_path: Path) -> None:
    given = {"HANDRAIL_ENGINE": "echo", "SM_VLLM_LORA_MODULES": modules("loud", ADAPTERS / "shouts")}
    found = json.loads(run("check", tmp_path, "--json", **given).stdout)
    said = f"output_formatter: output_formatter ({ADAPTERS}/shouts/model.py:16), named output_formatter"
    assert said in found["adapter_code"]["loud"]
    assert "the adapter loud: input_formatter:" in run("check", tmp_path, **given).stdout
    folder = written(tmp_path / "poet", "import nowhere\n")
    checked = run("check", tmp_path, HANDRAIL_ENGINE="echo", SM_VLLM_LORA_MODULES=f"poet={folder}")
    assert (checked.returncode, "the adapter 'poet' of SM_VLLM_LORA_MODULES" in checked.stdout) == (3, True)


def test_a_template_that_jinja_cannot_read_is_refused(echo: Served, permitted: Path) -> None:
    folder = written(permitted / "templated", "def input_formatter(data): ...\n")
    (folder / "chat_template.jinja").write_text("{% generation %}{{ messages }}{% endgeneration %}")
    assert load(echo, "templated", folder).status_code == 200
    assert echo.http.delete("/adapters/templated").status_code == 200
    (folder / "chat_template.jinja").write_text("\n{% if %}")
    said = (
        f"the adapter 'templated' is not loaded: {folder}/chat_template.jinja has a template that Jinja cannot read: "
    )
    status, message = refusal(load(echo, "templated", folder))
    assert (status, message) == (424, f"{said}line 2: Expected an expression, got 'end of statement block'")


def test_the_models_own_formatters_are_replaced_one_by_one(launch: Launch, tmp_path: Path) -> None:
    """Those that the adapter does not have stay."""
    (tmp_path / "model.py").write_text(
        "import handrail\n"
        "@handrail.input_formatter\n"
        "async def read(request):\n    request._body = (await request.body()).replace(b'one', b'un')\n"
        "@handrail.output_formatter\n"
        "def tell(response):\n    response.headers['X-Told'] = 'model'\n"
    )
    written(tmp_path / "poet", "def output_formatter(data):\n    data['told'] = 'poet'\n")
    served = launch(tmp_path).ready()
    assert load(served, "poet", tmp_path / "poet").status_code == 200
    for path in ("/invocations", "/v1/completions"):
        own, others = (served.http.post(path, json={"prompt": "one two", "model": model}) for model in ("poet", "echo"))
        assert (text(own), own.json()["told"], "x-told" in own.headers) == ("un two", "poet", False)
        assert (text(others), "told" in others.json(), others.headers["x-told"]) == ("un two", False, "model")


@pytest.mark.parametrize(
    "body", ['["shouts"]', '{"parameters": [], "x": "shouts"}', '{"model": 1, "prompt": "shouts"}', '{"x": "\\u0073"}']
)
def test_a_body_that_names_no_adapter_is_not_formatted(echo: Served, body: str) -> None:
    """Even if it has the name, or what may be an escaped one."""
    before = [echo.http.post(path, content=body).text for path in ("/invocations", "/v1/tokenize")]
    with loaded(echo, "shouts"):
        after = [echo.http.post(path, content=body).text for path in ("/invocations", "/v1/tokenize")]
        models = [model["id"] for model in echo.http.get("/v1/models").json()["data"]]
    hidden = [re.sub("[0-9a-f-]{32,}", "", one) for one in before]
    assert (hidden, models) == ([re.sub("[0-9a-f-]{32,}", "", one) for one in after], ["echo", "shouts"])


def test_an_escaped_name_is_the_name(echo: Served) -> None:
    with loaded(echo, "shouts"):
        body = b'{"prompt": "one two", "model": "\\u0073houts"}'
        assert text(echo.http.post("/invocations", content=body)) == "ONE TWO LOUDLY"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_name_is_found_in_every_encoding_of_json(echo: Served, encoding: str) -> None:
    with loaded(echo, "shouts"):
        body = json.dumps({"prompt": "one two", "model": "shouts"}).encode(encoding)
        assert text(echo.http.post("/invocations", content=body)) == "ONE TWO LOUDLY"


class Unlisted(dict[str, Any]):
    """Names of which a client may load any number."""

    def __iter__(self) -> Any:
        raise AssertionError("a body is searched for each of them")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model": "poet"}', "poet"),
        (b'{"messages": "poet"}', None),
        (b'{"model": "other"}', None),
        (b'["model", "adapters"]', None),
    ],
)
async def test_a_body_is_searched_once_for_all_names(body: bytes, name: str | None) -> None:
    adapters: Any = SimpleNamespace(codes=Unlisted(poet=object()))
    assert await _named(body, adapters) == name


def test_a_formatter_that_fails_is_told_with_its_line(echo: Served, permitted: Path) -> None:
    """In a stream, too, where other requests are not touched."""
    folder = written(permitted / "failing", "def output_formatter(data):\n    raise LookupError('no luck')\n")
    said = f"output_formatter raised LookupError: no luck ({folder}/model.py:2)"
    assert load(echo, "failing", folder).status_code == 200
    assert refusal(invoke(echo, "failing")) == (500, said)
    *_, last = invoke(echo, "failing", stream=True).text.strip().split("\n\n")
    event, data = last.split("\n")
    assert (event, json.loads(data.removeprefix("data: "))["error"]["message"]) == ("event: error", said)
    assert echo.http.delete("/adapters/failing?force=true").status_code == 200


def test_a_request_finishes_with_the_code_that_it_began_with(launch: Launch, tmp_path: Path) -> None:
    """Its adapter is unloaded meanwhile, and loaded anew with other code."""
    for number in (1, 2):
        code = "def output_formatter(data):\n    import late\n    data['of'] = late.NUMBER\n"
        written(tmp_path / f"poet-{number}", code, late=f"NUMBER = {number}\n")
    served = launch(tmp_path, HANDRAIL_ECHO_TTFT_MS="300", HANDRAIL_ECHO_ITL_MS="300").ready()
    assert load(served, "poet", tmp_path / "poet-1").status_code == 200
    body = {"prompt": "one two", "model": "poet", "stream": True}
    with served.http.stream("POST", "/v1/completions", json=body) as answer:
        assert served.http.delete("/adapters/poet").status_code == 409
        assert served.http.delete("/adapters/poet?force=true").status_code == 200
        assert load(served, "poet", tmp_path / "poet-2").status_code == 200
        chunks = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: {")]
    assert {chunk["of"] for chunk in chunks} == {1}
    assert invoke(served, "poet").json()["of"] == 2


def test_loads_and_unloads_of_a_name_are_in_order(echo: Served) -> None:
    """The adapter that is there has its code, and one that is gone has none."""
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(load, echo, "shouts") for _ in range(8)]
        asked += [pool.submit(echo.http.delete, "/adapters/shouts?force=true") for _ in range(8)]
        assert {one.result().status_code for one in asked} <= {200, 400, 404}
    load(echo, "shouts")
    assert text(invoke(echo, "shouts")) == "ONE TWO LOUDLY"
    assert echo.http.delete("/adapters/shouts").status_code == 200


async def test_nothing_of_the_code_stays_in_memory() -> None:
    """Once it has answered a request, and is unloaded."""
    adapters, exchange = EchoAdapters("echo"), SimpleNamespace(request_id="x", is_over=True)
    scope: dict[str, Any] = {"state": {"adapter": "poet", "handrail.exchange": exchange}, "method": "GET"}

    async def engine(*_: Any) -> None:
        """Answers nothing."""

    endpoint = by_adapter(ours(engine, ()), lambda code: ours(engine, ()), adapters)
    await adapters.load("poet", str(ADAPTERS / "shouts"))
    code = weakref.ref(adapters.codes["poet"])
    module = weakref.ref(sys.modules[next(name for name in isolated() if name.endswith(".model"))])
    for _ in range(2):
        await endpoint.app(scope, no_message, no_message)
    await adapters.unload("poet")
    scope.clear()
    await asyncio.sleep(0)  # the loop lets go of the task that has unloaded it
    gc.collect()
    assert (code(), module(), isolated()) == (None, None, [])


async def no_message(*_: Any) -> Any:
    """Neither received nor sent."""


class Failing(EchoAdapters):
    """Its engine loads no weights, and does not let go of any."""

    async def add(self, name: str, folder: Path, source: str) -> None:
        assert isolated(), "the code is loaded first"
        if name == "poet":
            raise HTTPException(500, "no weights")
        await super().add(name, folder, source)

    async def remove(self, name: str, *, is_idle: bool) -> None:
        raise HTTPException(500, "no")


def isolated() -> list[str]:
    return [name for name in sys.modules if name.startswith(ISOLATED)]


async def test_where_the_weights_fail_the_code_goes_too() -> None:
    adapters = Failing("echo")
    with pytest.raises(HTTPException, match="no weights"):
        await adapters.load("poet", str(ADAPTERS / "shouts"))
    assert (adapters.codes, isolated()) == ({}, [])


async def test_an_adapter_that_cannot_be_unloaded_keeps_its_code() -> None:
    adapters = Failing("echo")
    await adapters.load("other", str(ADAPTERS / "shouts"))
    with pytest.raises(HTTPException):
        await adapters.unload("other")
    assert adapters.code("other") is not None
    adapters.put_code("other", None)
    assert (adapters.code("other"), isolated()) == (None, [])


def test_a_reload_of_the_models_script_leaves_it_alone(launch: Launch, tmp_path: Path) -> None:
    """Also what of it is imported only then."""
    (tmp_path / "model.py").write_text("def custom_sagemaker_ping_handler():\n    return True\n")
    code = "def output_formatter(data):\n    import late\n    data['late'] = late.WORD\n"
    folder = written(tmp_path / "adapters" / "poet", code, late="WORD = 'so late'\n")
    served = launch(tmp_path, "--watch").ready()
    assert load(served, "poet", folder).status_code == 200
    (tmp_path / "model.py").write_text("def custom_sagemaker_ping_handler():\n    return {'edited': True}\n")
    eventually(lambda: "edited" in served.http.get("/ping").text, "the reload")
    assert invoke(served, "poet").json()["late"] == "so late"
    assert "late" not in invoke(served).json()
